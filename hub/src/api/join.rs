//! `POST /api/v1/join`: a gateway enrols with the code of its invitation; the only call that needs no token and gives one.
//!
//! A code has 80 random bits and an address some tries a second, so that guessing leads nowhere; what is wrong with a
//! code is not told.

use std::net::SocketAddr;
use std::time::Instant;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use penstock_shared::id::AgentId;
use penstock_shared::join::{JoinAnswer, JoinCode, JoinRequest};

use crate::access::{Joined, Token};

use super::errors::ApiError;
use super::params::Body;
use super::state::ApiState;

/// Gives the gateway's own token the name that the code stands for.
pub(super) async fn post(
    State(state): State<ApiState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Body(request): Body<JoinRequest>,
) -> Result<Response, ApiError> {
    if !state.join_limiter().allows(&peer.ip().to_string(), Instant::now()) {
        state.telemetry().requests_limited.increment();
        return Err(ApiError::TooManyRequests { retry_after_seconds: 2 });
    }
    let token = Token::drawn(&request.token)
        .ok_or_else(|| ApiError::BadRequest("token must be 64 lower-case hexadecimal digits".to_owned()))?;
    let asked = request.agent.map(AgentId::new).transpose();
    let asked = asked.map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let Ok(code) = request.code.parse::<JoinCode>() else { return Err(refused()) };
    match state.access().join(&code, &token, asked.as_ref()).await? {
        Joined::As(agent) => {
            tracing::info!(%agent, "agent joined");
            let mut response = Json(JoinAnswer { agent: agent.to_string() }).into_response();
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        Joined::IsFor(agent) => Err(ApiError::Conflict(format!("this code is for agent {agent}"))),
        Joined::Refused => Err(refused()),
    }
}

/// The one answer to wrong, used, withdrawn and expired codes.
fn refused() -> ApiError {
    ApiError::Forbidden("this code is unknown, was used, or has expired".to_owned())
}
