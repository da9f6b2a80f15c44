//! A payload's bytes as JSON or as one bare value.

use penstock_shared::reading::{MAX_TEXT_BYTES, Value};
use serde_json::Value as Json;

use super::json;
use super::reason::{Reason, Undecodable};
use crate::config::JsonPointer;

/// A payload, parsed.
#[derive(Debug)]
pub(super) enum Payload {
    /// An object or a list.
    Json(Json),
    /// A number, boolean or text by itself.
    Bare(Value),
}

impl Payload {
    pub(super) fn parse(bytes: &[u8], max_bytes: usize) -> Result<Self, Undecodable> {
        if bytes.len() > max_bytes {
            let detail = format!("{} bytes, at most {max_bytes} are decoded", bytes.len());
            return Err(Undecodable::new(Reason::PayloadTooLarge, detail));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| Undecodable::new(Reason::NotUtf8, error.to_string()))?
            .trim();
        match text.as_bytes().first() {
            None => Err(Undecodable::new(Reason::EmptyPayload, "the payload is empty")),
            Some(b'{' | b'[') => Ok(Self::Json(json::parse(text.as_bytes())?)),
            Some(b'"') => Ok(Self::Bare(scalar(&json::parse(text.as_bytes())?)?)),
            Some(_) => Ok(Self::Bare(bare(text)?)),
        }
    }

    /// Returns what a pointer shows, in JSON payloads only.
    pub(super) fn member(&self, pointer: &JsonPointer) -> Option<&Json> {
        match self {
            Self::Json(json) => json.pointer(pointer.as_str()),
            Self::Bare(_) => None,
        }
    }

    /// Returns the value at a pointer; an empty one takes a bare payload whole.
    pub(super) fn value_at(&self, pointer: &JsonPointer) -> Result<Value, Undecodable> {
        if pointer.is_whole() {
            return self.value();
        }
        let json = self.member(pointer).ok_or_else(|| {
            Undecodable::new(Reason::ValueMissing, format!("nothing stands at {:?}", pointer.as_str()))
        })?;
        scalar(json)
    }

    /// Returns the payload as one value.
    pub(super) fn value(&self) -> Result<Value, Undecodable> {
        match self {
            Self::Json(json) => scalar(json),
            Self::Bare(value) => Ok(value.clone()),
        }
    }

    /// Returns the members of an object.
    pub(super) fn object(&self) -> Option<&serde_json::Map<String, Json>> {
        match self {
            Self::Json(json) => json.as_object(),
            Self::Bare(_) => None,
        }
    }
}

/// Reads one JSON value as a reading's value; a text is read as if it were a bare payload.
pub(super) fn scalar(json: &Json) -> Result<Value, Undecodable> {
    match json {
        Json::Number(number) => finite(number.as_f64().unwrap_or(f64::INFINITY)),
        Json::Bool(flag) => Ok(Value::Boolean(*flag)),
        Json::String(text) => bare(text),
        Json::Null => Err(Undecodable::new(Reason::NotAValue, "null is no value")),
        Json::Array(_) => Err(Undecodable::new(Reason::NotAValue, "a list is no value")),
        Json::Object(_) => Err(Undecodable::new(Reason::NotAValue, "an object is no value")),
    }
}

fn bare(text: &str) -> Result<Value, Undecodable> {
    if let Ok(number) = text.parse::<f64>() {
        return finite(number);
    }
    if ["on", "true"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(Value::Boolean(true));
    }
    if ["off", "false"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(Value::Boolean(false));
    }
    if text.len() > MAX_TEXT_BYTES {
        let detail = format!("a text of {} bytes, at most {MAX_TEXT_BYTES} are taken", text.len());
        return Err(Undecodable::new(Reason::TextTooLong, detail));
    }
    Ok(Value::Text(text.to_owned()))
}

fn finite(number: f64) -> Result<Value, Undecodable> {
    if number.is_finite() {
        Ok(Value::Number(number))
    } else {
        Err(Undecodable::new(Reason::NotFinite, "the number is NaN or beyond the range of a double"))
    }
}
