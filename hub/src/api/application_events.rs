//! `POST /api/v1/events`: events of applications, acknowledged after the ledger write.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use penstock_shared::id::{AgentId, MAX_AGENT_ID_BYTES};
use penstock_shared::reading::{MAX_NAME_BYTES, MAX_TEXT_BYTES, Series, TimestampMicros, Value};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ingest::application::{APPLICATION_PREFIX, Event, Events};

use super::callers::Writer;
use super::errors::ApiError;
use super::params::parse_time;
use super::state::ApiState;

/// The longest `Idempotency-Key`.
const MAX_KEY_BYTES: usize = 256;

/// One event as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawEvent {
    #[serde(rename = "type")]
    event_type: String,
    value: Value,
    timestamp: Option<Timestamp>,
    source: Option<String>,
    user_id: Option<String>,
    properties: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Timestamp {
    Millis(i64),
    Text(String),
}

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
    let raw = parse(content_type(&headers), &body)?;
    let max = state.settings().ingest.max_events_per_request;
    if raw.is_empty() || raw.len() > max {
        return Err(ApiError::BadRequest(format!(
            "a request has 1 to {max} events, this one has {}",
            raw.len()
        )));
    }
    let now = TimestampMicros::now();
    let validated: Result<Vec<Event>, ApiError> =
        raw.into_iter().enumerate().map(|(index, event)| validate(index, event, &application, now)).collect();
    let events = Events { application, idempotency_key, events: validated? };
    let is_new = state.ingest().events(&events).await?;
    Ok(Json(Accepted { accepted: events.events.len(), repeated: !is_new }))
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// An object, an array of objects, or one object a line.
fn parse(content_type: &str, body: &[u8]) -> Result<Vec<RawEvent>, ApiError> {
    match content_type {
        "application/json" => {
            let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
            let events = if is_array {
                serde_json::from_slice(body)
            } else {
                serde_json::from_slice(body).map(|event| vec![event])
            };
            events.map_err(|error| {
                ApiError::BadRequest(format!("the body is no event or array of events: {error}"))
            })
        }
        "application/x-ndjson" | "application/jsonl" => {
            let lines = body.split(|byte| *byte == b'\n').enumerate();
            let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
            let event = |(index, line): (usize, &[u8])| {
                serde_json::from_slice(line)
                    .map_err(|error| ApiError::BadRequest(format!("line {}: {error}", index + 1)))
            };
            lines.map(event).collect()
        }
        other => Err(ApiError::UnsupportedMediaType(format!(
            "the content type must be application/json or application/x-ndjson, not {other:?}"
        ))),
    }
}

fn validate(
    index: usize,
    raw: RawEvent,
    application: &AgentId,
    now: TimestampMicros,
) -> Result<Event, ApiError> {
    let wrong = |reason: String| ApiError::BadRequest(format!("event {index}: {reason}"));
    let source = raw.source.unwrap_or_else(|| application.to_string());
    let series = Series::new(raw.event_type, source).map_err(|error| wrong(error.to_string()))?;
    let time = match raw.timestamp {
        None => now,
        Some(Timestamp::Millis(millis)) => TimestampMicros(millis.saturating_mul(1000)),
        Some(Timestamp::Text(text)) => {
            TimestampMicros(parse_time("timestamp", &text).map_err(|error| wrong(error.to_string()))?)
        }
    };
    if !time.is_storable() {
        return Err(wrong("timestamp must lie between 1970 and 2038".to_owned()));
    }
    if matches!(&raw.value, Value::Text(text) if text.len() > MAX_TEXT_BYTES) {
        return Err(wrong(format!("a text value has at most {MAX_TEXT_BYTES} bytes")));
    }
    let user_fits = raw.user_id.as_ref().is_none_or(|user| !user.is_empty() && user.len() <= MAX_NAME_BYTES);
    if !user_fits {
        return Err(wrong(format!("userId has 1 to {MAX_NAME_BYTES} bytes")));
    }
    let properties = raw.properties.map(|properties| properties.get().to_owned());
    if properties.as_ref().is_some_and(|text| text.len() > MAX_TEXT_BYTES) {
        return Err(wrong(format!("properties have at most {MAX_TEXT_BYTES} bytes as JSON")));
    }
    let Series { event_type, source, .. } = series;
    Ok(Event { event_type, source, time, value: raw.value, user_id: raw.user_id, properties })
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

    const NOW: TimestampMicros = TimestampMicros(1_000_000_000);

    fn read(content_type: &str, body: &str) -> Result<Vec<Event>, ApiError> {
        let application = application_id("shop").expect("an id");
        let raw = parse(content_type, body.as_bytes())?;
        raw.into_iter().enumerate().map(|(index, event)| validate(index, event, &application, NOW)).collect()
    }

    #[test]
    fn an_object_an_array_and_lines_say_the_same() {
        let object = r#"{"type":"order","value":1.5,"timestamp":5,"userId":"u1","properties":{"a":[1]}}"#;
        let one = read("application/json", object).expect("an object");
        assert_eq!(one, read("application/json", &format!(" [{object}]")).expect("an array"));
        assert_eq!(one, read("application/x-ndjson", &format!("{object}\n\n")).expect("lines"));
        assert_eq!(one[0].time, TimestampMicros(5_000));
        assert_eq!(one[0].source, "app.shop");
        assert_eq!(one[0].properties.as_deref(), Some(r#"{"a":[1]}"#));
    }

    #[test]
    fn without_a_timestamp_it_happened_now() {
        let events =
            read("application/json", r#"{"type":"door","value":true,"source":"hall"}"#).expect("valid");
        assert_eq!((events[0].time, events[0].source.as_str()), (NOW, "hall"));
        let named = r#"{"type":"t","value":"x","timestamp":"1970-01-01T00:00:01Z"}"#;
        assert_eq!(read("application/json", named).expect("valid")[0].time, TimestampMicros(1_000_000));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let message = |content_type, body| match read(content_type, body) {
            Err(error) => error.to_string(),
            Ok(events) => panic!("accepted {events:?}"),
        };
        let old = r#"[{"type":"t","value":1},{"type":"t","value":1,"timestamp":"1969-12-31T00:00:00Z"}]"#;
        assert!(message("application/json", old).starts_with("event 1: timestamp"));
        assert!(message("application/json", r#"{"type":"a:b","value":1}"#).starts_with("event 0: a type"));
        assert!(message("application/x-ndjson", "{\"type\":\"t\",\"value\":1}\n{").starts_with("line 2:"));
        assert!(message("application/json", r#"{"type":"t","value":1,"colour":2}"#).contains("colour"));
        assert!(matches!(read("text/plain", "{}"), Err(ApiError::UnsupportedMediaType(_))));
    }

    #[test]
    fn any_user_name_becomes_an_application_id() {
        assert_eq!(application_id("Ada L.").expect("an id").as_str(), "app.Ada_L.");
        assert!(application_id(&"ü".repeat(200)).is_ok());
    }
}
