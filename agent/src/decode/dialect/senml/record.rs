//! One record of a pack, and what the records before it say of it: RFC 8428, section 4.

use std::sync::Arc;

use penstock_shared::reading::{TimestampMicros, Value};

use crate::clock;
use crate::decode::dialect::findings::{Findings, check_name};
use crate::decode::reason::{Reason, Undecodable};
use crate::decode::samples::Sample;

/// The version that this follows; a pack of a later one must not be read.
const VERSION: f64 = 10.0;
/// Times below are relative to the present: section 4.5.3.
const RELATIVE_BELOW: f64 = 268_435_456.0;
/// How names of devices begin (RFC 9039), and how many parts name the device alone.
const DEVICE_URN: &str = "urn:dev:";
const DEVICE_URN_PARTS: usize = 4;
/// What separates a device's name from its quantity's, all characters that a name may have and a word has not.
const SEPARATORS: [char; 4] = ['/', ':', '.', '-'];

/// A record as it stands in the pack, whatever it was written in.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) base_version: Option<f64>,
    pub(super) base_name: Option<String>,
    pub(super) base_time: Option<f64>,
    pub(super) base_unit: Option<String>,
    pub(super) base_value: Option<f64>,
    pub(super) base_sum: Option<f64>,
    pub(super) name: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) value: Option<Value>,
    pub(super) sum: Option<f64>,
    pub(super) time: Option<f64>,
    /// A field that must be understood and is not.
    pub(super) unknown: Option<String>,
}

/// What holds for the records that follow.
#[derive(Debug)]
pub(super) struct Resolver {
    topic: Arc<str>,
    arrived_at: TimestampMicros,
    base_name: String,
    base_time: f64,
    base_unit: Option<String>,
    base_value: f64,
    base_sum: f64,
    is_beyond_us: bool,
}

impl Resolver {
    pub(super) const fn new(topic: Arc<str>, arrived_at: TimestampMicros) -> Self {
        Self {
            topic,
            arrived_at,
            base_name: String::new(),
            base_time: 0.0,
            base_unit: None,
            base_value: 0.0,
            base_sum: 0.0,
            is_beyond_us: false,
        }
    }

    /// Tells whether the pack is of a version that must not be read.
    pub(super) const fn is_beyond_us(&self) -> bool {
        self.is_beyond_us
    }

    pub(super) fn resolve(&mut self, record: Record, findings: &mut Findings) -> Result<(), Undecodable> {
        if let Some(version) = record.base_version.filter(|version| *version > VERSION) {
            self.is_beyond_us = true;
            return Err(bad(format!("version {version}, {VERSION} is read")));
        }
        let names = [&record.base_name, &record.base_unit, &record.name, &record.unit];
        names.into_iter().flatten().try_for_each(|name| check_name(name))?;
        self.base_name = record.base_name.unwrap_or_else(|| std::mem::take(&mut self.base_name));
        self.base_time = record.base_time.unwrap_or(self.base_time);
        self.base_unit = record.base_unit.or_else(|| self.base_unit.take());
        self.base_value = record.base_value.unwrap_or(self.base_value);
        self.base_sum = record.base_sum.unwrap_or(self.base_sum);
        if let Some(field) = record.unknown {
            return Err(bad(format!("the field {field:?} must be understood and is not")));
        }
        if record.value.is_none() && record.sum.is_none() {
            return match record.name {
                Some(name) => Err(bad(format!("{name:?} has neither value nor sum"))),
                // It tells what holds for the records behind it.
                None => Ok(()),
            };
        }
        let time = self.time(record.time.unwrap_or_default())?;
        let (source, event_type) = self.names(&record.name.unwrap_or_default());
        let unit = record.unit.or_else(|| self.base_unit.clone());
        let unit = unit.as_deref().map(plain_unit).unwrap_or_default();
        if let Some(sum) = record.sum {
            let unit = if unit.is_empty() { String::new() } else { format!("{unit}·s") };
            let sample = Sample::new(format!("{event_type}_sum"), Value::Number(self.base_sum + sum));
            findings.push(&source, Sample { time: Some(time), ..sample }.with_unit(&unit), Vec::new());
        }
        if let Some(value) = record.value {
            let value = match value {
                Value::Number(number) => Value::Number(self.base_value + number),
                other => other,
            };
            let sample = Sample { time: Some(time), ..Sample::new(event_type, value) };
            findings.push(&source, sample.with_unit(unit), Vec::new());
        }
        Ok(())
    }

    fn time(&self, own: f64) -> Result<TimestampMicros, Undecodable> {
        let seconds = self.base_time + own;
        // Whole seconds and their fraction apart: together they would lose microseconds.
        let fraction = own.fract() + self.base_time.fract();
        let whole = own.trunc() + self.base_time.trunc();
        if !seconds.is_finite() || seconds.abs() > 1e12 {
            return Err(Undecodable::new(Reason::TimeOutOfRange, format!("{seconds} s is beyond any clock")));
        }
        let micros = whole as i64 * 1_000_000 + (fraction * 1e6).round() as i64;
        let is_relative = seconds < RELATIVE_BELOW;
        Ok(if is_relative { clock::shift(self.arrived_at, micros) } else { TimestampMicros(micros) })
    }

    /// Returns source and type. A base name that stands apart from the name is the source.
    fn names(&self, name: &str) -> (Arc<str>, String) {
        let base = self.base_name.trim_end_matches(SEPARATORS);
        if !base.is_empty() && !name.is_empty() {
            return (base.into(), name.to_owned());
        }
        let whole = if name.is_empty() { base } else { name };
        // Such as urn:dev:ow:10e2073a01080063, with no quantity behind it.
        let is_device = whole.starts_with(DEVICE_URN) && whole.split(':').count() <= DEVICE_URN_PARTS;
        match whole.rsplit_once(SEPARATORS) {
            // A device that measures one thing only gives it no name.
            _ if (name.is_empty() || is_device) && !whole.is_empty() => (whole.into(), "value".to_owned()),
            Some((source, name)) if !source.is_empty() && !name.is_empty() => {
                (source.into(), name.to_owned())
            }
            _ => (Arc::clone(&self.topic), if whole.is_empty() { "value" } else { whole }.to_owned()),
        }
    }
}

/// Units as people write them, where SenML's registry has its own word.
fn plain_unit(unit: &str) -> &str {
    match unit {
        "Cel" => "°C",
        "%RH" | "%EL" => "%",
        "Ohm" => "Ω",
        other => other,
    }
}

pub(super) fn bad(detail: String) -> Undecodable {
    Undecodable::new(Reason::BadSenml, detail)
}
