//! The collection `tokens`: `{_id: hash, kind, name, role, of, createdAt, expiresAt, revokedAt}`.
//!
//! `kind` is `agent`, `user` or `session`; a session points to its user's token with `of` and expires. A revoked token
//! stays, so that a hub whose last token is revoked is not open to everybody again. Invitations stand beside them, and are
//! `invitations`' matter.

use std::time::{Duration, SystemTime};

use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::Error;
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};
use penstock_shared::id::AgentId;

use super::token::TokenHash;
use super::{Identity, Needs, Role};

/// The collection's name.
pub(super) const COLLECTION: &str = "tokens";
/// The key that a revoked token has.
pub(super) const REVOKED_AT: &str = "revokedAt";

/// A token as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSummary {
    /// The agent's id or the user's name.
    pub name: String,
    /// The user's role; none for an agent.
    pub role: Option<String>,
    /// When it was made.
    pub created_at: DateTime,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime>,
}

/// Whose tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Gateways.
    Agent,
    /// People and applications.
    User,
}

impl TokenKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::User => "user",
        }
    }
}

/// Which of somebody's tokens are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoke {
    /// Each of them.
    All,
    /// All but the one that was made last.
    AllButNewest,
}

#[derive(Debug)]
pub(super) struct Registry {
    tokens: Collection<Document>,
}

impl Registry {
    pub(super) async fn open(database: &Database) -> Result<Self, Error> {
        let tokens = database.collection::<Document>(COLLECTION);
        let expire = IndexOptions::builder().expire_after(Duration::ZERO).build();
        let expiry = IndexModel::builder().keys(doc! { "expiresAt": 1 }).options(expire).build();
        let kind = IndexModel::builder().keys(doc! { "kind": 1, "name": 1 }).build();
        tokens.create_indexes([expiry, kind]).await?;
        Ok(Self { tokens })
    }

    pub(super) async fn existing_kinds(&self) -> Result<Needs, Error> {
        let agents = self.tokens.find_one(doc! { "kind": "agent" }).await?.is_some();
        let people = self.tokens.find_one(doc! { "kind": "user" }).await?.is_some();
        Ok(Needs { agents, people })
    }

    pub(super) async fn find(&self, hash: TokenHash) -> Result<Option<Identity>, Error> {
        let found = self.tokens.find_one(doc! { "_id": hash.to_string() }).await?;
        let Some(document) = found else { return Ok(None) };
        if document.get_str("kind") != Ok("session") {
            return Ok(identity(&document));
        }
        // The TTL index only runs once a minute.
        let alive = document.get_datetime("expiresAt").is_ok_and(|at| *at > DateTime::now());
        let Some(of) = document.get_str("of").ok().filter(|_| alive) else { return Ok(None) };
        let user = self.tokens.find_one(doc! { "_id": of, "kind": "user" }).await?;
        Ok(user.as_ref().and_then(identity))
    }

    pub(super) async fn insert_agent(&self, hash: TokenHash, agent: &AgentId) -> Result<(), Error> {
        self.insert(doc! { "_id": hash.to_string(), "kind": "agent", "name": agent.as_str() }).await
    }

    pub(super) async fn insert_user(&self, hash: TokenHash, name: &str, role: Role) -> Result<(), Error> {
        let token = doc! { "_id": hash.to_string(), "kind": "user", "name": name, "role": role.as_str() };
        self.insert(token).await
    }

    pub(super) async fn insert_session(
        &self,
        session: TokenHash,
        of: TokenHash,
        lasts: Duration,
    ) -> Result<(), Error> {
        let expires_at = DateTime::from_system_time(SystemTime::now() + lasts);
        let token = doc! {
            "_id": session.to_string(), "kind": "session", "of": of.to_string(), "expiresAt": expires_at,
        };
        self.insert(token).await
    }

    pub(super) async fn delete_session(&self, session: TokenHash) -> Result<(), Error> {
        self.tokens.delete_one(doc! { "_id": session.to_string(), "kind": "session" }).await?;
        Ok(())
    }

    /// Revokes somebody's tokens, and returns how many.
    pub(super) async fn revoke(&self, kind: TokenKind, name: &str, which: Revoke) -> Result<u64, Error> {
        let mut theirs = doc! { "kind": kind.as_str(), "name": name, REVOKED_AT: Bson::Null };
        if which == Revoke::AllButNewest {
            let newest = self.tokens.find_one(theirs.clone()).sort(doc! { "createdAt": -1 }).await?;
            let Some(newest) = newest else { return Ok(0) };
            theirs.insert("_id", doc! { "$ne": newest.get("_id") });
            // One that is made in this moment stays.
            theirs.insert("createdAt", doc! { "$lte": newest.get("createdAt") });
        }
        let revoked =
            self.tokens.update_many(theirs, doc! { "$set": { REVOKED_AT: DateTime::now() } }).await?;
        Ok(revoked.modified_count)
    }

    pub(super) async fn list(&self, kind: TokenKind) -> Result<Vec<TokenSummary>, Error> {
        let mut cursor = self.tokens.find(doc! { "kind": kind.as_str() }).sort(doc! { "name": 1 }).await?;
        let mut summaries = Vec::new();
        while cursor.advance().await? {
            let token = cursor.deserialize_current()?;
            summaries.push(TokenSummary {
                name: token.get_str("name").unwrap_or_default().to_owned(),
                role: token.get_str("role").ok().map(str::to_owned),
                created_at: token.get_datetime("createdAt").copied().unwrap_or(DateTime::MIN),
                revoked_at: token.get_datetime(REVOKED_AT).ok().copied(),
            });
        }
        Ok(summaries)
    }

    async fn insert(&self, mut token: Document) -> Result<(), Error> {
        token.insert("createdAt", DateTime::now());
        self.tokens.insert_one(token).await?;
        Ok(())
    }
}

fn identity(token: &Document) -> Option<Identity> {
    if token.contains_key(REVOKED_AT) {
        return None;
    }
    let name = token.get_str("name").ok()?;
    match token.get_str("kind").ok()? {
        "agent" => AgentId::new(name).ok().map(Identity::Agent),
        "user" => {
            let role = token.get_str("role").ok()?.parse().ok()?;
            Some(Identity::User { name: name.to_owned(), role })
        }
        _ => None,
    }
}
