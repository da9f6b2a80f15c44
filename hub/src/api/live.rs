//! `GET /api/v1/live`: the WebSocket. The gate has checked the page's origin; the live stage does the rest.

use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::response::Response;

use super::callers::Viewer;
use super::errors::ApiError;
use super::state::ApiState;

/// When to come back to a hub that has as many clients as it takes.
const FULL_RETRY_SECONDS: u64 = 10;

/// Opens the WebSocket.
pub(super) async fn get(
    _: Viewer,
    State(state): State<ApiState>,
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
        state.live().serve(socket, state.closing()).await;
        drop(slot);
    }))
}
