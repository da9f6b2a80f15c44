//! Who is calling, and what they may do: tokens of agents and of people, kept hashed in the collection `tokens`.
//!
//! While no token exists the hub is open, and [`Access::check_listen_address`] keeps it on the loopback interface.
//! From the first agent's token on agents need one, from the first user's token on people need one. This module must
//! not know HTTP's requests and answers.

mod cache;
mod invitations;
mod origin;
mod rate;
mod registry;
mod role;
mod token;

use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use mongodb::Database;
use mongodb::bson::DateTime;
use penstock_shared::id::AgentId;
use penstock_shared::join::JoinCode;
use tokio::sync::Mutex;

use crate::config::{AccessSettings, RequireTokens};

use cache::Cache;
use invitations::Invitations;
use registry::Registry;

pub use invitations::{InvitationSummary, Joined};
pub use origin::{is_loopback_host, is_origin_allowed};
pub use rate::RateLimiter;
pub use registry::{Revoke, TokenKind, TokenSummary};
pub use role::{Role, UnknownRole};
pub use token::{Token, TokenHash};

/// The longest name of a user.
const MAX_USER_NAME_BYTES: usize = 64;

/// Somebody whose token is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A gateway; it speaks for itself only.
    Agent(AgentId),
    /// A person or an application.
    User {
        /// The name given when the token was made.
        name: String,
        /// What they may do.
        role: Role,
    },
}

/// Which callers need a token at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Agents need one.
    pub agents: bool,
    /// People and applications need one.
    pub people: bool,
}

/// Says why a token could not be made, or why the hub must not listen.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The database failed.
    #[error("the database does not answer: {0}")]
    Database(#[from] mongodb::error::Error),
    /// A name that cannot be given.
    #[error("a name has 1 to {MAX_USER_NAME_BYTES} characters without control characters")]
    InvalidName,
    /// The hub is open to everybody, and would be reachable by everybody.
    #[error(
        "no token and no invitation exists, so everybody could read and write: the hub listens on the loopback \
         interface only, not on {0}; add a token first with `penstock-hub users add NAME --role admin`"
    )]
    OpenToTheWorld(SocketAddr),
}

/// The door: looks tokens up, makes them, and knows who needs one.
#[derive(Debug)]
pub struct Access {
    registry: Registry,
    invitations: Invitations,
    settings: AccessSettings,
    identities: Mutex<Cache<TokenHash, Option<Identity>>>,
    /// What [`Access::needs`] found last, and when.
    known_needs: RwLock<Option<(Instant, Needs)>>,
    /// Whether somebody beyond this machine can reach the hub.
    reachable: bool,
}

impl Access {
    /// Opens the collection and makes its indexes. `listen` is where callers will come from.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(
        database: &Database,
        settings: &AccessSettings,
        listen: SocketAddr,
    ) -> Result<Self, AccessError> {
        Ok(Self {
            registry: Registry::open(database).await?,
            invitations: Invitations::open(database).await?,
            settings: settings.clone(),
            identities: Mutex::new(Cache::new(settings.cache)),
            known_needs: RwLock::new(None),
            reachable: !listen.ip().is_loopback(),
        })
    }

    /// Refuses to let an open hub listen where others can reach it.
    ///
    /// # Errors
    /// When neither a token nor an invitation exists and `listen` is no loopback address, or the database fails.
    pub async fn check_listen_address(&self, listen: SocketAddr) -> Result<Needs, AccessError> {
        let exist = self.existing().await?;
        if self.reachable
            && !exist.agents
            && !exist.people
            && self.settings.require_tokens == RequireTokens::Auto
        {
            return Err(AccessError::OpenToTheWorld(listen));
        }
        self.needs().await
    }

    /// Tells who needs a token at present; as old as the cache allows, or older while the database is silent.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn needs(&self) -> Result<Needs, AccessError> {
        if self.settings.require_tokens == RequireTokens::Always || self.reachable {
            return Ok(Needs { agents: true, people: true });
        }
        let known = *self.known_needs.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, needs)) = known
            && since.elapsed() < self.settings.cache
        {
            return Ok(needs);
        }
        match (self.existing().await, known) {
            (Ok(needs), _) => {
                let fresh = Some((Instant::now(), needs));
                *self.known_needs.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                Ok(needs)
            }
            (Err(_), Some((_, stale))) => Ok(stale),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// A gateway that is invited counts as one that has its token: what it will send must not be mixed with others'.
    async fn existing(&self) -> Result<Needs, mongodb::error::Error> {
        let kinds = self.registry.existing_kinds().await?;
        Ok(Needs { agents: kinds.agents || self.invitations.some_stand().await?, ..kinds })
    }

    /// Finds out whose token this is; none when it is unknown or expired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identify(&self, token: &Token) -> Result<Option<Identity>, AccessError> {
        let hash = token.hash();
        if let Some(known) = self.identities.lock().await.get(&hash, Instant::now()) {
            return Ok(known);
        }
        let identity = self.registry.find(hash).await?;
        self.identities.lock().await.insert(hash, identity.clone(), Instant::now());
        Ok(identity)
    }

    /// Makes a token for a gateway and returns it; only its hash is kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_agent(&self, agent: &AgentId) -> Result<Token, AccessError> {
        let token = Token::random();
        self.registry.insert_agent(token.hash(), agent).await?;
        Ok(token)
    }

    /// Invites a gateway and returns the code, which is kept as a hash, and when it ends. An older invitation for the
    /// same gateway ends at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invite(
        &self,
        agent: &AgentId,
        valid_for: Duration,
    ) -> Result<(JoinCode, DateTime), AccessError> {
        let code = JoinCode::random();
        let ends = self.invitations.invite(&code, agent, valid_for).await?;
        Ok((code, ends))
    }

    /// Takes an invitation back, and tells whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withdraw_invitation(&self, agent: &AgentId) -> Result<bool, AccessError> {
        Ok(self.invitations.withdraw(agent).await?)
    }

    /// Lists the invitations that stand.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitations(&self) -> Result<Vec<InvitationSummary>, AccessError> {
        Ok(self.invitations.list().await?)
    }

    /// Gives a gateway the token that it drew, in exchange for a code.
    ///
    /// # Errors
    /// When the database fails; whether the code was taken is unknown then, and the gateway asks again.
    pub async fn join(
        &self,
        code: &JoinCode,
        token: &Token,
        asked: Option<&AgentId>,
    ) -> Result<Joined, AccessError> {
        let joined = self.invitations.take(code, token, asked).await?;
        if matches!(joined, Joined::As(_)) {
            // It may have been refused a moment ago.
            self.identities.lock().await.remove(&token.hash());
            *self.known_needs.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(joined)
    }

    /// Makes a token for a person or an application and returns it; only its hash is kept.
    ///
    /// # Errors
    /// When the name cannot be given, or the database fails.
    pub async fn add_user(&self, name: &str, role: Role) -> Result<Token, AccessError> {
        if name.is_empty() || name.len() > MAX_USER_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(AccessError::InvalidName);
        }
        let token = Token::random();
        self.registry.insert_user(token.hash(), name, role).await?;
        Ok(token)
    }

    /// Lists tokens, without the tokens themselves.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, kind: TokenKind) -> Result<Vec<TokenSummary>, AccessError> {
        Ok(self.registry.list(kind).await?)
    }

    /// Revokes tokens of a gateway, and returns how many. With all of them its invitation ends too, also where a gateway
    /// has taken it and could ask again. A running hub knows within `access.cache_seconds`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_agent(&self, agent: &AgentId, which: Revoke) -> Result<u64, AccessError> {
        let invitations = match which {
            // First: whoever takes it now looks for it once more when the token is there.
            Revoke::All => u64::from(self.invitations.end(agent).await?),
            Revoke::AllButNewest => 0,
        };
        Ok(invitations + self.registry.revoke(TokenKind::Agent, agent.as_str(), which).await?)
    }

    /// Revokes tokens of a person or an application, whose sessions end with them, and returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_user(&self, name: &str, which: Revoke) -> Result<u64, AccessError> {
        Ok(self.registry.revoke(TokenKind::User, name, which).await?)
    }

    /// Opens a session for a person's token: a token of its own that expires. None when the token is no person's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_session(&self, token: &Token) -> Result<Option<(Token, Duration)>, AccessError> {
        let Some(Identity::User { .. }) = self.identify(token).await? else { return Ok(None) };
        let session = Token::random();
        self.registry.insert_session(session.hash(), token.hash(), self.settings.session).await?;
        Ok(Some((session, self.settings.session)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn close_session(&self, session: &Token) -> Result<(), AccessError> {
        self.registry.delete_session(session.hash()).await?;
        self.identities.lock().await.remove(&session.hash());
        Ok(())
    }
}
