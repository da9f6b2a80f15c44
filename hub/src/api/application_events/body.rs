//! A request's body to events that can be stored. A hostile one takes no more memory than its events.

use std::fmt;

use penstock_shared::id::AgentId;
use penstock_shared::reading::{MAX_NAME_BYTES, MAX_TEXT_BYTES, Series, TimestampMicros, Value};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::api::errors::ApiError;
use crate::api::params::parse_time;
use crate::ingest::application::Event;

/// One event as it is sent.
#[derive(Debug, serde::Deserialize)]
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

/// Milliseconds, or RFC 3339.
#[derive(Debug)]
enum Timestamp {
    Millis(i64),
    Text(String),
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(AnyTimestamp)
    }
}

struct AnyTimestamp;

impl Visitor<'_> for AnyTimestamp {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("milliseconds since 1970 or RFC 3339")
    }

    fn visit_i64<E: Error>(self, millis: i64) -> Result<Timestamp, E> {
        Ok(Timestamp::Millis(millis))
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Timestamp, E> {
        // Beyond any clock: validation says so.
        Ok(Timestamp::Millis(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        Ok(Timestamp::Text(text.to_owned()))
    }
}

/// Reads a body's events and validates them; one without a time happened `now`.
///
/// # Errors
/// When it is no body of 1 to `most` events, or one of them cannot be stored.
pub fn read(
    content_type: &str,
    body: &[u8],
    most: usize,
    application: &AgentId,
    now: TimestampMicros,
) -> Result<Vec<Event>, ApiError> {
    let raw = parse(content_type, body, most)?;
    if raw.is_empty() || raw.len() > most {
        return Err(ApiError::BadRequest(format!("a request has 1 to {most} events")));
    }
    raw.into_iter().enumerate().map(|(index, event)| validate(index, event, application, now)).collect()
}

/// An object, an array of objects, or one object a line. Ends behind the event that is too many.
fn parse(content_type: &str, body: &[u8], most: usize) -> Result<Vec<RawEvent>, ApiError> {
    match content_type {
        "application/json" => {
            let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
            let events = if is_array {
                array(body, most)
            } else {
                serde_json::from_slice(body).map(|event| vec![event])
            };
            events.map_err(|error| {
                ApiError::BadRequest(format!("the body is no event or array of events: {error}"))
            })
        }
        "application/x-ndjson" | "application/jsonl" => {
            let lines = body.split(|byte| *byte == b'\n').enumerate();
            let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).take(most.saturating_add(1));
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

fn array(body: &[u8], most: usize) -> Result<Vec<RawEvent>, serde_json::Error> {
    let mut source = serde_json::Deserializer::from_slice(body);
    let events = source.deserialize_seq(AtMost(most))?;
    source.end()?;
    Ok(events)
}

/// Refuses the event that is too many.
struct AtMost(usize);

impl<'de> Visitor<'de> for AtMost {
    type Value = Vec<RawEvent>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} events", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<RawEvent>, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = items.next_element()? {
            if events.len() == self.0 {
                return Err(A::Error::invalid_length(events.len() + 1, &self));
            }
            events.push(event);
        }
        Ok(events)
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

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 3;
    const NOW: TimestampMicros = TimestampMicros(1_000_000_000);

    fn read(content_type: &str, body: &str) -> Result<Vec<Event>, ApiError> {
        let application = AgentId::new("app.shop").expect("an id");
        super::read(content_type, body.as_bytes(), MOST, &application, NOW)
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
        assert!(
            message("application/json", r#"{"type":"t","value":[1]}"#)
                .contains("a number, a boolean or a text")
        );
        assert!(message("application/json", "[] 1").contains("trailing"));
        assert!(matches!(read("text/plain", "{}"), Err(ApiError::UnsupportedMediaType(_))));
    }

    #[test]
    fn no_event_and_one_too_many_are_refused() {
        let object = r#"{"type":"t","value":1}"#;
        let objects = |count: usize, between: &str| vec![object; count].join(between);
        for (content_type, events) in [("application/json", 0), ("application/json", MOST + 1)] {
            assert!(read(content_type, &format!("[{}]", objects(events, ","))).is_err(), "{events}");
        }
        assert!(read("application/x-ndjson", &objects(MOST + 1, "\n")).is_err());
        assert_eq!(
            read("application/x-ndjson", &objects(MOST, "\n")).map(|events| events.len()).ok(),
            Some(MOST)
        );
    }
}
