//! Sparkplug's payload and its metrics: field numbers and data types of `sparkplug_b.proto`.

use penstock_shared::reading::{TimestampMicros, Value};

use super::wire::{Field, Fields, Malformed};
use crate::decode::reason::{Reason, Undecodable};

/// Properties of a metric that are looked at.
const MAX_PROPERTIES: usize = 32;
/// How the unit's property is called.
const UNIT_PROPERTIES: [&[u8]; 3] = [b"engUnit", b"Engineering Units", b"unit"];

/// A message's payload; its metrics stay where they lie.
#[derive(Debug, Clone)]
pub(super) struct Payload<'a> {
    bytes: &'a [u8],
    pub(super) time: Option<TimestampMicros>,
    pub(super) sequence: Option<u64>,
}

/// One metric.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Metric<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) alias: Option<u64>,
    pub(super) time: Option<TimestampMicros>,
    pub(super) datatype: Option<u64>,
    pub(super) is_null: bool,
    properties: &'a [u8],
    value: Option<(u64, Field<'a>)>,
}

impl<'a> Payload<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Undecodable> {
        let mut payload = Self { bytes, time: None, sequence: None };
        for field in Fields::new(bytes) {
            match field.map_err(malformed)? {
                (1, Field::Varint(millis)) => payload.time = from_millis(millis),
                (3, Field::Varint(sequence)) => payload.sequence = Some(sequence),
                _ => {}
            }
        }
        Ok(payload)
    }

    pub(super) fn metrics(&self) -> impl Iterator<Item = Result<Metric<'a>, Undecodable>> + use<'a> {
        Fields::new(self.bytes).filter_map(|field| match field {
            Ok((2, Field::Bytes(metric))) => Some(Metric::parse(metric)),
            _ => None,
        })
    }

    /// Returns the number of the session that a birth begins and a will ends.
    pub(super) fn birth_death_sequence(&self) -> Option<u64> {
        let metric = self.metrics().flatten().find(|metric| metric.name == Some("bdSeq"))?;
        match metric.value? {
            (10 | 11, Field::Varint(number)) => Some(number),
            _ => None,
        }
    }
}

impl<'a> Metric<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Undecodable> {
        let mut metric = Self::default();
        for field in Fields::new(bytes) {
            match field.map_err(malformed)? {
                (1, Field::Bytes(name)) => metric.name = Some(text(name)?),
                (2, Field::Varint(alias)) => metric.alias = Some(alias),
                (3, Field::Varint(millis)) => metric.time = from_millis(millis),
                (4, Field::Varint(datatype)) => metric.datatype = Some(datatype),
                (7, Field::Varint(flag)) => metric.is_null = flag != 0,
                (9, Field::Bytes(properties)) => metric.properties = properties,
                (number @ 10..=19, field) => metric.value = Some((number, field)),
                _ => {}
            }
        }
        metric.name = metric.name.filter(|name| !name.is_empty());
        Ok(metric)
    }

    /// Returns the value, of a type that the metric or its birth told.
    pub(super) fn value(&self, datatype: u64, name: &str) -> Result<Value, Undecodable> {
        let number = match self.value {
            Some((10 | 11, Field::Varint(raw))) => match datatype {
                1 => f64::from(raw as i8),
                2 => f64::from(raw as i16),
                3 => f64::from(raw as i32),
                4 => raw as i64 as f64,
                11 => return Ok(Value::Boolean(raw != 0)),
                _ => raw as f64,
            },
            Some((12, Field::Fixed32(bits))) => f64::from(f32::from_bits(bits)),
            Some((13, Field::Fixed64(bits))) => f64::from_bits(bits),
            Some((14, Field::Varint(flag))) => return Ok(Value::Boolean(flag != 0)),
            Some((15, Field::Bytes(bytes))) => return Ok(Value::Text(text(bytes)?.to_owned())),
            Some(_) => {
                let detail = format!("{name:?} is bytes, a data set or a template, which are no values here");
                return Err(Undecodable::new(Reason::NotAValue, detail));
            }
            None => return Err(Undecodable::new(Reason::ValueMissing, format!("{name:?} has no value"))),
        };
        Ok(Value::Number(number))
    }

    /// Returns the unit that a birth tells in the metric's properties: two lists, of keys and of values.
    pub(super) fn unit(&self) -> Option<&'a str> {
        let fields = || Fields::new(self.properties).flatten();
        let keys = fields().filter(|(number, _)| *number == 1).take(MAX_PROPERTIES);
        let position = keys.into_iter().position(|(_, key)| match key {
            Field::Bytes(key) => UNIT_PROPERTIES.contains(&key),
            _ => false,
        })?;
        let (_, value) = fields().filter(|(number, _)| *number == 2).nth(position)?;
        let Field::Bytes(value) = value else { return None };
        Fields::new(value).flatten().find_map(|field| match field {
            (8, Field::Bytes(unit)) => std::str::from_utf8(unit).ok(),
            _ => None,
        })
    }
}

/// None is a clock that was not set, or is beyond any.
fn from_millis(millis: u64) -> Option<TimestampMicros> {
    let micros = i64::try_from(millis).ok()?.checked_mul(1_000)?;
    Some(TimestampMicros(micros)).filter(|time| *time > TimestampMicros(0))
}

fn text(bytes: &[u8]) -> Result<&str, Undecodable> {
    std::str::from_utf8(bytes).map_err(|error| Undecodable::new(Reason::NotUtf8, error.to_string()))
}

fn malformed(_: Malformed) -> Undecodable {
    Undecodable::new(Reason::BadSparkplug, "the payload is no Protocol Buffers message")
}
