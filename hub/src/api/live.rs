//! `GET /api/v1/live`: the WebSocket. The gate has checked the page's origin; the live stage does the rest. Who it was
//! opened for is looked at again and again: a connection must not outlive its token.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::sync::watch;

use super::callers::Viewer;
use super::errors::ApiError;
use super::gate::presented_token;
use super::state::ApiState;
use crate::access::Token;

/// The least time between two looks at a token.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// When to come back to a hub that has as many clients as it takes.
const FULL_RETRY_SECONDS: u64 = 10;

/// Opens the WebSocket.
pub(super) async fn get(
    _: Viewer,
    State(state): State<ApiState>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    let slot = state.websocket_slot().ok_or_else(|| ApiError::Unavailable {
        message: "this hub has as many WebSocket clients as it takes".to_owned(),
        retry_after_seconds: FULL_RETRY_SECONDS,
    })?;
    // A message above the stage's own limit gets an answer in words; one far above it ends the connection.
    let hard_limit = state.settings().live.max_message_bytes.saturating_mul(4);
    let upgrade = upgrade.max_message_size(hard_limit).max_frame_size(hard_limit);
    Ok(upgrade.on_upgrade(async move |socket| {
        let (end, ending) = watch::channel(false);
        let unwelcome = async {
            until_unwelcome(&state, presented_token(&headers).as_ref()).await;
            end.send_replace(true);
            std::future::pending().await
        };
        // The first branch always ends, when told by the second one at the latest.
        tokio::select! {
            () = state.live().serve(socket, ending) => {}
            () = unwelcome => {}
        }
        drop(slot);
    }))
}

/// Returns when the hub stops, or the client could not open its connection any more.
async fn until_unwelcome(state: &ApiState, token: Option<&Token>) {
    let mut closing = state.closing();
    let pause = state.settings().access.cache.max(LEAST_PAUSE);
    loop {
        tokio::select! {
            _ = closing.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
        // A database that is silent sends nobody away.
        let is_welcome = match (token, state.access().needs().await) {
            (_, Err(_)) => true,
            (_, Ok(needs)) if !needs.people => true,
            (Some(token), Ok(_)) => !matches!(state.access().identify(token).await, Ok(None)),
            (None, Ok(_)) => false,
        };
        if !is_welcome {
            return;
        }
    }
}
