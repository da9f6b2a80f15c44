//! `POST /api/v1/events`: events of applications, acknowledged after the ledger write.

mod body;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use penstock_shared::id::{AgentId, MAX_AGENT_ID_BYTES};
use penstock_shared::reading::TimestampMicros;
use serde::Serialize;

pub use body::read;

use crate::ingest::application::{APPLICATION_PREFIX, Events};

use super::callers::Writer;
use super::errors::ApiError;
use super::state::ApiState;

/// The longest `Idempotency-Key`.
const MAX_KEY_BYTES: usize = 256;

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Accepted {
    accepted: usize,
    /// True when a request with this `Idempotency-Key` was stored before; this one was not stored again.
    repeated: bool,
}

/// Stores the events of a request, all or none.
pub(super) async fn post(
    caller: Writer,
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Accepted>, ApiError> {
    let application = application_id(&caller.name)?;
    let idempotency_key = idempotency_key(&headers)?;
    let most = state.settings().ingest.max_events_per_request;
    let events = read(content_type(&headers), &body, most, &application, TimestampMicros::now())?;
    let events = Events { application, idempotency_key, events };
    let is_new = state.ingest().events(&events).await?;
    Ok(Json(Accepted { accepted: events.events.len(), repeated: !is_new }))
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MAX_KEY_BYTES);
    let wrong =
        || ApiError::BadRequest(format!("Idempotency-Key has 1 to {MAX_KEY_BYTES} printable characters"));
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}

/// Makes an id of a user's name, which may have other characters.
fn application_id(name: &str) -> Result<AgentId, ApiError> {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    let plain = name.chars().map(|character| if is_plain(character) { character } else { '_' });
    let id: String = APPLICATION_PREFIX.chars().chain(plain).take(MAX_AGENT_ID_BYTES).collect();
    AgentId::new(id).map_err(|error| ApiError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_user_name_becomes_an_application_id() {
        assert_eq!(application_id("Ada L.").expect("an id").as_str(), "app.Ada_L.");
        assert!(application_id(&"ü".repeat(200)).is_ok());
    }
}
