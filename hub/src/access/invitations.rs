//! Invitations in the collection `tokens`: `{_id: "invitation NAME", kind, name, code, createdAt, expiresAt, takenBy}`.
//!
//! One document a name, so that a new invitation replaces the older in one write. `code` is the hash of the code,
//! `takenBy` the hash of the token that it was taken with; from then on it answers to that token alone. Times are the
//! database's, which all hubs share.

use std::time::Duration;

use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::ReturnDocument;
use mongodb::{Collection, Database, IndexModel};
use penstock_shared::id::AgentId;
use penstock_shared::join::JoinCode;

use super::registry::{COLLECTION, REVOKED_AT};
use super::token::{Token, TokenHash};

/// An invitation that nobody has taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationSummary {
    /// Whom it is for.
    pub name: String,
    /// When it ends.
    pub expires_at: DateTime,
}

/// What comes of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// The token is this agent's from now on.
    As(AgentId),
    /// The invitation stands, but is for this agent and not for the one asked for.
    IsFor(AgentId),
    /// The code is unknown, expired, or was taken with another token.
    Refused,
}

#[derive(Debug)]
pub(super) struct Invitations {
    tokens: Collection<Document>,
}

impl Invitations {
    pub(super) async fn open(database: &Database) -> Result<Self, Error> {
        let tokens = database.collection::<Document>(COLLECTION);
        let sparse = mongodb::options::IndexOptions::builder().sparse(true).build();
        tokens.create_index(IndexModel::builder().keys(doc! { "code": 1 }).options(sparse).build()).await?;
        Ok(Self { tokens })
    }

    /// Invites, in place of an older invitation for the same agent, and returns when the invitation ends.
    pub(super) async fn invite(
        &self,
        code: &JoinCode,
        agent: &AgentId,
        valid_for: Duration,
    ) -> Result<DateTime, Error> {
        let milliseconds = i64::try_from(valid_for.as_millis()).unwrap_or(i64::MAX);
        let fresh = doc! {
            "kind": "invitation", "name": agent.as_str(), "code": hash(code).to_string(), "createdAt": "$$NOW",
            "expiresAt": { "$add": ["$$NOW", milliseconds] },
        };
        let id = id(agent);
        let replace = vec![doc! { "$replaceWith": { "$mergeObjects": [{ "_id": &id }, fresh] } }];
        let invited = self.tokens.find_one_and_update(doc! { "_id": &id }, replace);
        let invited = invited.upsert(true).return_document(ReturnDocument::After).await?;
        let ends = invited.and_then(|invited| invited.get_datetime("expiresAt").ok().copied());
        ends.ok_or_else(|| Error::custom("an invitation is gone as it is made"))
    }

    /// Takes an invitation back, and tells whether there was one.
    pub(super) async fn withdraw(&self, agent: &AgentId) -> Result<bool, Error> {
        let deleted = self.tokens.delete_one(with(pending(), "_id", id(agent))).await?;
        Ok(deleted.deleted_count > 0)
    }

    /// Ends an agent's invitation, taken or not, and tells whether there was one.
    pub(super) async fn end(&self, agent: &AgentId) -> Result<bool, Error> {
        Ok(self.tokens.delete_one(doc! { "_id": id(agent) }).await?.deleted_count > 0)
    }

    /// Lists the invitations that stand, by name.
    pub(super) async fn list(&self) -> Result<Vec<InvitationSummary>, Error> {
        let mut cursor = self.tokens.find(pending()).sort(doc! { "name": 1 }).await?;
        let mut summaries = Vec::new();
        while cursor.advance().await? {
            let invitation = cursor.deserialize_current()?;
            summaries.push(InvitationSummary {
                name: invitation.get_str("name").unwrap_or_default().to_owned(),
                expires_at: invitation.get_datetime("expiresAt").copied().unwrap_or(DateTime::MIN),
            });
        }
        Ok(summaries)
    }

    pub(super) async fn some_stand(&self) -> Result<bool, Error> {
        Ok(self.tokens.find_one(pending()).await?.is_some())
    }

    /// Gives `token` to the agent that the code is for. One update takes the invitation, so that of two gateways with
    /// one code one has it; the same gateway may come again, also where the hub ended between the two writes.
    pub(super) async fn take(
        &self,
        code: &JoinCode,
        token: &Token,
        asked: Option<&AgentId>,
    ) -> Result<Joined, Error> {
        let own = token.hash().to_string();
        let open_to_us = with(alive(), "code", hash(code).to_string());
        let open_to_us = with(open_to_us, "takenBy", doc! { "$in": [Bson::Null, own.as_str()] });
        let Some(agent) = self.tokens.find_one(open_to_us.clone()).await?.as_ref().and_then(agent_of) else {
            return Ok(Joined::Refused);
        };
        if asked.is_some_and(|asked| *asked != agent) {
            return Ok(Joined::IsFor(agent));
        }
        let take = doc! { "$set": { "takenBy": &own } };
        if self.tokens.find_one_and_update(open_to_us.clone(), take).await?.is_none() {
            return Ok(Joined::Refused);
        }
        let given = self.give(token.hash(), &agent).await?;
        // Everything of this agent may have been revoked meanwhile, before its token was there.
        if given && self.tokens.find_one(open_to_us).await?.is_none() {
            let revoked = doc! { "$set": { REVOKED_AT: DateTime::now() } };
            self.tokens.update_one(doc! { "_id": own }, revoked).await?;
            return Ok(Joined::Refused);
        }
        Ok(if given { Joined::As(agent) } else { Joined::Refused })
    }

    /// Makes the token the agent's, and tells whether it is; it may be already, and must not be another's.
    async fn give(&self, token: TokenHash, agent: &AgentId) -> Result<bool, Error> {
        let own = doc! { "_id": token.to_string(), "kind": "agent", "name": agent.as_str() };
        match self.tokens.insert_one(with(own.clone(), "createdAt", DateTime::now())).await {
            Ok(_) => Ok(true),
            Err(error) if is_duplicate(&error) => {
                Ok(self.tokens.find_one(with(own, REVOKED_AT, Bson::Null)).await?.is_some())
            }
            Err(error) => Err(error),
        }
    }
}

/// What is in time. The TTL index only runs once a minute.
fn alive() -> Document {
    doc! { "kind": "invitation", "$expr": { "$gt": ["$expiresAt", "$$NOW"] } }
}

/// What is in time, and taken by nobody.
fn pending() -> Document {
    with(alive(), "takenBy", Bson::Null)
}

fn with(mut document: Document, key: &str, value: impl Into<Bson>) -> Document {
    document.insert(key, value);
    document
}

fn id(agent: &AgentId) -> String {
    format!("invitation {agent}")
}

/// A code is kept as tokens are: it is random, and long enough for the days that it lives.
fn hash(code: &JoinCode) -> TokenHash {
    TokenHash::of(code.as_str())
}

fn agent_of(invitation: &Document) -> Option<AgentId> {
    invitation.get_str("name").ok().and_then(|name| AgentId::new(name).ok())
}

fn is_duplicate(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Write(WriteFailure::WriteError(failure)) if failure.code == 11_000)
}
