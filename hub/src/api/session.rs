//! `POST` and `DELETE /api/v1/session`: the dashboard's login, a cookie that scripts cannot read.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::access::Token;

use super::errors::ApiError;
use super::gate::{SESSION_COOKIE, session_token};
use super::params::Body;
use super::state::ApiState;

/// The body of a login.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    token: String,
}

/// Opens a session for a person's token.
pub(super) async fn post(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<Response, ApiError> {
    let token = Token::presented(login.token.trim()).ok_or(ApiError::Unauthorized)?;
    let (session, lasts) = state.access().open_session(&token).await?.ok_or(ApiError::Unauthorized)?;
    Ok(with_cookie(session.reveal(), lasts.as_secs(), &headers))
}

/// Ends the session of the request.
pub(super) async fn delete(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(session) = session_token(&headers) {
        state.access().close_session(&session).await?;
    }
    Ok(with_cookie("", 0, &headers))
}

fn with_cookie(value: &str, seconds: u64, headers: &HeaderMap) -> Response {
    // Behind a proxy that ends TLS; somebody who forges the header only hurts their own cookie.
    let is_https = headers.get("x-forwarded-proto").is_some_and(|protocol| protocol == "https");
    let secure = if is_https { "; Secure" } else { "" };
    let cookie =
        format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut response = StatusCode::NO_CONTENT.into_response();
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) => {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => ApiError::Internal(error.to_string()).into_response(),
    }
}
