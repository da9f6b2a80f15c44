//! Who is behind a request, as extractors: a route names the least that its caller must be.
//!
//! The gate has looked the token up before; nothing here waits.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use penstock_shared::id::AgentId;

use crate::access::{Identity, Needs, Role};

use super::errors::ApiError;

/// What the gate found out about a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose token it carries; none without a valid one.
    pub identity: Option<Identity>,
    /// Who needs a token at present.
    pub needs: Needs,
}

/// A gateway. Without tokens in use it may be any.
#[derive(Debug, Clone)]
pub struct AgentCaller(Option<AgentId>);

/// Somebody who may read.
#[derive(Debug, Clone, Copy)]
pub struct Viewer;

/// Somebody who may write events; the name is for idempotency keys and logs.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The user's name; `anonymous` while no tokens are in use.
    pub name: String,
}

/// Somebody who may do everything.
#[derive(Debug, Clone, Copy)]
pub struct Admin;

impl AgentCaller {
    /// Returns the token's agent; none while agents need no token.
    #[must_use]
    pub const fn agent(&self) -> Option<&AgentId> {
        self.0.as_ref()
    }

    /// Checks that this caller may speak for `agent`.
    ///
    /// # Errors
    /// When its token is another agent's.
    pub fn must_be(&self, agent: &AgentId) -> Result<(), ApiError> {
        match &self.0 {
            Some(own) if own != agent => {
                Err(ApiError::Forbidden(format!("this token is for agent {own}, not for {agent}")))
            }
            _ => Ok(()),
        }
    }
}

impl Caller {
    fn of(parts: &Parts) -> Result<&Self, ApiError> {
        let caller = parts.extensions.get::<Self>();
        caller.ok_or_else(|| ApiError::Internal("a request came past the gate".to_owned()))
    }

    fn agent(&self) -> Result<AgentCaller, ApiError> {
        match &self.identity {
            Some(Identity::Agent(agent)) => Ok(AgentCaller(Some(agent.clone()))),
            _ if !self.needs.agents => Ok(AgentCaller(None)),
            Some(Identity::User { .. }) => {
                Err(ApiError::Forbidden("an agent's token is needed here".to_owned()))
            }
            None => Err(ApiError::Unauthorized),
        }
    }

    /// Returns the caller's name when it has at least `least`.
    fn person(&self, least: Role) -> Result<String, ApiError> {
        match &self.identity {
            _ if !self.needs.people => Ok("anonymous".to_owned()),
            Some(Identity::User { name, role }) if *role >= least => Ok(name.clone()),
            Some(Identity::User { role, .. }) => {
                Err(ApiError::Forbidden(format!("the role {least} is needed, this token has {role}")))
            }
            Some(Identity::Agent(_)) => {
                Err(ApiError::Forbidden("an agent's token does not open this".to_owned()))
            }
            None => Err(ApiError::Unauthorized),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for AgentCaller {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Caller::of(parts)?.agent()
    }
}

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Caller::of(parts)?.person(Role::Viewer).map(|_| Self)
    }
}

impl<S: Sync> FromRequestParts<S> for Writer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Caller::of(parts)?.person(Role::Writer).map(|name| Self { name })
    }
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Caller::of(parts)?.person(Role::Admin).map(|_| Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Needs = Needs { agents: true, people: true };
    const NONE: Needs = Needs { agents: false, people: false };

    fn user(role: Role) -> Option<Identity> {
        Some(Identity::User { name: "ada".to_owned(), role })
    }

    fn agent(id: &str) -> Option<Identity> {
        Some(Identity::Agent(AgentId::new(id).expect("an id")))
    }

    #[test]
    fn each_role_has_what_the_lesser_ones_have_and_no_more() {
        let allowed =
            |identity: Option<Identity>, least| Caller { identity, needs: ALL }.person(least).is_ok();
        assert!(allowed(user(Role::Viewer), Role::Viewer) && !allowed(user(Role::Viewer), Role::Writer));
        assert!(allowed(user(Role::Writer), Role::Viewer) && !allowed(user(Role::Writer), Role::Admin));
        assert!(allowed(user(Role::Admin), Role::Writer));
        assert!(!allowed(agent("gw1"), Role::Viewer));
        assert!(!allowed(None, Role::Viewer));
    }

    #[test]
    fn an_agent_speaks_for_itself_only() {
        let caller = Caller { identity: agent("gw1"), needs: ALL }.agent().expect("an agent");
        assert!(caller.must_be(&AgentId::new("gw1").expect("an id")).is_ok());
        assert!(matches!(caller.must_be(&AgentId::new("gw2").expect("an id")), Err(ApiError::Forbidden(_))));
        assert!(Caller { identity: user(Role::Admin), needs: ALL }.agent().is_err());
        assert!(matches!(Caller { identity: None, needs: ALL }.agent(), Err(ApiError::Unauthorized)));
    }

    #[test]
    fn without_tokens_in_use_everybody_may_do_everything() {
        let caller = Caller { identity: None, needs: NONE };
        assert!(caller.person(Role::Admin).is_ok());
        assert!(caller.agent().expect("open").must_be(&AgentId::new("any").expect("an id")).is_ok());
    }
}
