//! What every request passes: who is calling, from which page, how often, and for how long.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::{Identity, Token, is_loopback_host, is_origin_allowed};

use super::callers::Caller;
use super::errors::ApiError;
use super::state::ApiState;

/// The cookie of a dashboard's session.
pub(super) const SESSION_COOKIE: &str = "penstock_session";

/// Checks a request, runs it, and counts it.
///
/// It runs in a task of its own: a client that goes away, or a timeout, must not drop a database call half-way.
pub(super) async fn pass(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let timeout = state.settings().limits.request_timeout;
    let task = tokio::spawn(admit_and_run(state.clone(), request, next));
    let response = match tokio::time::timeout(timeout, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => ApiError::Internal(error.to_string()).into_response(),
        Err(_) => ApiError::TimedOut.into_response(),
    };
    state.telemetry().requests_answered.increment();
    if response.status().is_server_error() {
        state.telemetry().requests_failed.increment();
    }
    response
}

async fn admit_and_run(state: ApiState, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&state, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => error.into_response(),
    }
}

async fn admit(state: &ApiState, parts: &Parts) -> Result<Caller, ApiError> {
    let headers = &parts.headers;
    if !is_guarded(parts.uri.path()) {
        // The dashboard's files, /health and the like cost nothing and show nothing.
        let needs = crate::access::Needs { agents: true, people: true };
        return Ok(Caller { identity: None, needs });
    }
    check_origin(state, &parts.method, headers)?;
    let token = presented_token(headers);
    let needs = state.access().needs().await?;
    let identity = match &token {
        Some(token) => state.access().identify(token).await?,
        None => None,
    };
    if !needs.people && !host_is_own(state, headers) {
        let message = "while no user's token exists, the hub must be called by a loopback name".to_owned();
        return Err(ApiError::Forbidden(message));
    }
    // While nobody needs a token all callers are programs of this machine, and share one address.
    let is_limited = needs.agents || needs.people;
    if is_limited && !state.rate_limiter().allows(&rate_key(identity.as_ref(), parts), Instant::now()) {
        state.telemetry().requests_limited.increment();
        return Err(ApiError::TooManyRequests { retry_after_seconds: 1 });
    }
    Ok(Caller { identity, needs })
}

fn is_guarded(path: &str) -> bool {
    path.starts_with("/api/") || path == "/metrics"
}

/// A web page may read with GET only what the browser's same-origin rule lets it read; all else is checked here.
fn check_origin(state: &ApiState, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let is_plain_read =
        matches!(*method, Method::GET | Method::HEAD) && !headers.contains_key(header::UPGRADE);
    let allowed = &state.settings().http.allowed_origins;
    if is_plain_read
        || is_origin_allowed(text(headers, &header::ORIGIN), text(headers, &header::HOST), allowed)
    {
        return Ok(());
    }
    Err(ApiError::Forbidden("pages of this origin may not do this; see http.allowed_origins".to_owned()))
}

/// An open hub answers to this machine's own names only: a page whose name was made to resolve to 127.0.0.1 would
/// otherwise count as the hub's own.
fn host_is_own(state: &ApiState, headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, &header::HOST) else { return true };
    let allowed = &state.settings().http.allowed_origins;
    let is_listed =
        allowed.iter().any(|origin| origin.split_once("://").is_some_and(|(_, listed)| listed == host));
    is_listed || is_loopback_host(host)
}

/// Takes the bearer token, else the session's cookie.
pub(super) fn presented_token(headers: &HeaderMap) -> Option<Token> {
    let authorization = text(headers, &header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    match authorization {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Token::presented(token.trim()),
        _ => session_token(headers),
    }
}

/// Takes the session's cookie.
pub(super) fn session_token(headers: &HeaderMap) -> Option<Token> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION_COOKIE).and_then(|(_, value)| Token::presented(value))
}

fn rate_key(identity: Option<&Identity>, parts: &Parts) -> String {
    match identity {
        Some(Identity::Agent(agent)) => format!("agent {agent}"),
        Some(Identity::User { name, .. }) => format!("user {name}"),
        None => {
            let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
            peer.map_or_else(String::new, |ConnectInfo(peer)| format!("address {}", peer.ip()))
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_bearer_token_goes_before_a_cookie() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; penstock_session=fromcookie; c=d"));
        assert_eq!(presented_token(&headers).expect("a cookie").reveal(), "fromcookie");
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("bearer fromheader"));
        assert_eq!(presented_token(&headers).expect("a header").reveal(), "fromheader");
    }
}
