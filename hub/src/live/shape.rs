//! How things look on the API and on the WebSocket: times, buckets, raw readings.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use penstock_shared::id::AgentId;
use penstock_shared::live::{LiveBucket, ServerMessage};
use penstock_shared::reading::{TimestampMicros, Value};
use serde_json::json;
use serde_json::value::RawValue;

use crate::store::events::StoredReading;
use crate::store::rollups::StoredRollup;

/// Writes milliseconds since 1970 as RFC 3339 in UTC.
#[must_use]
pub fn rfc3339_millis(millis: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(millis)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Writes a moment as RFC 3339 in UTC with microseconds.
#[must_use]
pub fn rfc3339_micros(time: TimestampMicros) -> String {
    DateTime::<Utc>::from_timestamp_micros(time.0)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Shapes a bucket.
pub(super) fn live_bucket(stored: &StoredRollup) -> LiveBucket {
    LiveBucket { bucket: rfc3339_millis(stored.key.bucket_millis), figures: stored.rollup.figures() }
}

/// Serialises a message.
pub(super) fn text_of(message: &ServerMessage) -> Arc<str> {
    serde_json::to_string(message).expect("messages of text and numbers always serialise").into()
}

/// Serialises anything to raw JSON.
pub(super) fn raw(value: &(impl serde::Serialize + ?Sized)) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("values of text and numbers always serialise")
}

/// Shapes a raw reading as in `GET /events`. A number that JSON cannot hold (NaN, ±∞) becomes text.
#[must_use]
pub fn event_json(reading: &StoredReading, agent: &AgentId) -> serde_json::Value {
    let id: String = reading.id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let value = match &reading.value {
        Value::Number(number) if number.is_finite() => json!(number),
        Value::Number(number) => json!(number.to_string()),
        Value::Boolean(flag) => json!(flag),
        Value::Text(text) => json!(text),
    };
    let mut event = json!({
        "id": id,
        "type": reading.series.event_type,
        "source": reading.series.source,
        "labels": reading.series.labels,
        "agent": agent.as_str(),
        "time": rfc3339_micros(reading.time),
        "value": value,
    });
    if let Some(extra) = &reading.extra {
        if let Some(user_id) = &extra.user_id {
            event["userId"] = json!(user_id);
        }
        if let Some(properties) = &extra.properties {
            event["properties"] = serde_json::from_str(properties).unwrap_or_else(|_| json!(properties));
        }
    }
    event
}
