//! What a sensor said: which series, when, which value.
//!
//! This module must not know how readings are stored or shipped.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

/// The longest type, source, label name or label value, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// The most labels that a series may have: labels stand in the metaField, which must stay small.
pub const MAX_LABELS: usize = 16;
/// The longest text value, in bytes. Larger ones are dead-lettered: sled leaks values above 100 kB.
pub const MAX_TEXT_BYTES: usize = 48 * 1024;

/// Says which quantity of which device: readings of one series form one line in a chart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Series {
    /// What is measured, such as `temperature`; rollups exist for each type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Who measured, unique across the fleet, such as `gw-plant1/press4`.
    pub source: String,
    /// Further properties of low cardinality, such as `unit`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Says why a series is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeries {
    /// A part is empty, too long, or has control characters.
    #[error("{part} must have 1 to {MAX_NAME_BYTES} bytes without control characters")]
    Name {
        /// Which part: `type`, `source`, `label name` or `label value`.
        part: &'static str,
    },
    /// A type has one of the characters that a live channel is written with.
    #[error("a type must not contain ':' or '@'")]
    ReservedCharacter,
    /// A label's name would read as a path or an operator in the store.
    #[error("a label name must not begin with '$' or contain '.'")]
    LabelName,
    /// There are more than [`MAX_LABELS`] labels.
    #[error("a series has at most {MAX_LABELS} labels, this one has {0}")]
    TooManyLabels(usize),
}

impl Series {
    /// Makes a series without labels and validates it.
    ///
    /// # Errors
    /// As [`Series::validate`].
    pub fn new(event_type: impl Into<String>, source: impl Into<String>) -> Result<Self, InvalidSeries> {
        let series = Self { event_type: event_type.into(), source: source.into(), labels: BTreeMap::new() };
        series.validate()?;
        Ok(series)
    }

    /// Checks the lengths and characters of every part.
    ///
    /// # Errors
    /// When a part is empty, too long or unprintable, the type has `:` or `@`, or there are too many labels.
    pub fn validate(&self) -> Result<(), InvalidSeries> {
        check_name("type", &self.event_type)?;
        check_name("source", &self.source)?;
        if self.event_type.contains([':', '@']) {
            return Err(InvalidSeries::ReservedCharacter);
        }
        if self.labels.len() > MAX_LABELS {
            return Err(InvalidSeries::TooManyLabels(self.labels.len()));
        }
        for (name, value) in &self.labels {
            check_name("label name", name)?;
            if name.starts_with('$') || name.contains('.') {
                return Err(InvalidSeries::LabelName);
            }
            check_name("label value", value)?;
        }
        Ok(())
    }
}

fn check_name(part: &'static str, text: &str) -> Result<(), InvalidSeries> {
    if text.is_empty() || text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control) {
        return Err(InvalidSeries::Name { part });
    }
    Ok(())
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.event_type, self.source)?;
        for (name, value) in &self.labels {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

/// A moment in microseconds since 1970-01-01T00:00:00 UTC.
///
/// Only moments from 1970 up to 2038-01-19T03:14:07 may enter the store: one outside stops the TTL of a whole
/// MongoDB time-series collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct TimestampMicros(pub i64);

impl TimestampMicros {
    /// The first storable moment.
    pub const MIN: Self = Self(0);
    /// The last storable moment: 2^31 − 1 seconds.
    pub const MAX: Self = Self(i32::MAX as i64 * 1_000_000);

    /// Returns the wall clock's present moment.
    #[must_use]
    pub fn now() -> Self {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => Self(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX)),
        }
    }

    /// Tells whether the moment may enter the store.
    #[must_use]
    pub fn is_storable(self) -> bool {
        (Self::MIN..=Self::MAX).contains(&self)
    }

    /// Returns whole milliseconds since 1970, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// A measured value. Numbers are what is aggregated; every f64 bit pattern survives the wire.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A switch or a state of two.
    Boolean(bool),
    /// Anything else that a device says, at most [`MAX_TEXT_BYTES`] long.
    Text(String),
}

impl Value {
    /// Tells whether two values are the same to the bit, unlike `==` on NaN and on signed zeros.
    #[must_use]
    pub fn same_bits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        }
    }
}

/// By hand, as serde's own way tries one kind after the other and keeps what it tries: a list in a value's place was held
/// whole before it was refused.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl Visitor<'_> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a boolean or a text")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Boolean(flag))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }
}

/// One value of one series at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Which quantity of which device.
    pub series: std::sync::Arc<Series>,
    /// When it was measured, or when it arrived where the device did not say.
    pub time: TimestampMicros,
    /// What was measured.
    pub value: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_with_a_channel_character_in_its_type_is_refused() {
        assert_eq!(Series::new("a:b", "s"), Err(InvalidSeries::ReservedCharacter));
        assert!(Series::new("temperature", "gw/a:b@c").is_ok());
    }

    #[test]
    fn a_time_in_1969_and_one_in_2039_are_not_storable() {
        assert!(!TimestampMicros(-1).is_storable());
        assert!(!TimestampMicros(2_177_452_800_000_000).is_storable());
        assert!(TimestampMicros::now().is_storable());
    }
}
