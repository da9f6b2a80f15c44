//! From what a device tells by name to readings of its source: for every source that has no topics.

use std::collections::HashMap;
use std::sync::Arc;

use penstock_shared::id::AgentId;
use penstock_shared::reading::{MAX_TEXT_BYTES, Reading, Series, TimestampMicros, Value};

use super::reason::{Reason, Undecodable};
use super::series::{Interned, intern};
use super::{Decoded, MAX_KEPT_PAYLOAD_BYTES, time};
use crate::delivery::DeadLetter;

/// Series remembered at most; a device that invents more makes the memory start over.
const MAX_CACHED: usize = 5_000;

/// One value, as its device named it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What is measured; becomes the reading's type.
    pub name: String,
    /// The value.
    pub value: Value,
    /// The unit, where it is known; becomes the label `unit`.
    pub unit: Option<String>,
    /// When, where the device says so; else the time of arrival holds.
    pub time: Option<TimestampMicros>,
}

impl Sample {
    /// Makes a sample without unit and time.
    #[must_use]
    pub fn new(name: impl Into<String>, value: Value) -> Self {
        Self { name: name.into(), value, unit: None, time: None }
    }

    /// Adds a unit; an empty one is none.
    #[must_use]
    pub fn with_unit(mut self, unit: &str) -> Self {
        self.unit = Some(unit.to_owned()).filter(|unit| !unit.is_empty());
        self
    }
}

/// A record that holds no sample, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// A short constant word for counting.
    pub reason: Reason,
    /// The particulars, for the operator.
    pub detail: String,
    /// The record as it came.
    pub payload: Vec<u8>,
}

/// Names the readings of one device. Each source has its own.
#[derive(Debug)]
pub struct SampleDecoder {
    source: String,
    series: HashMap<SeriesName, Arc<Series>>,
}

/// Part, name and unit.
type SeriesName = (String, String, Option<String>);

impl SampleDecoder {
    /// Makes a decoder for one source, such as `press4`; its readings are of `AGENT/press4` where sources have the
    /// agent's prefix.
    #[must_use]
    pub fn new(agent: &AgentId, prefix_sources: bool, source: &str) -> Self {
        let source = if prefix_sources { format!("{agent}/{source}") } else { source.to_owned() };
        Self { source, series: HashMap::new() }
    }

    /// Returns the name that the readings' source has.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Turns samples into readings; `origin` says in dead letters where they came from.
    pub fn decode(
        &mut self,
        origin: &str,
        samples: Vec<Sample>,
        unreadable: Vec<Unreadable>,
        arrived_at: TimestampMicros,
    ) -> Decoded {
        let whole = samples.into_iter().map(|sample| (String::new(), sample));
        self.decode_parts(origin, whole, unreadable, arrived_at)
    }

    /// As [`Self::decode`], of a device with parts: their readings are of `SOURCE/PART`. The whole device's part is
    /// empty.
    pub fn decode_parts(
        &mut self,
        origin: &str,
        samples: impl IntoIterator<Item = (String, Sample)>,
        unreadable: Vec<Unreadable>,
        arrived_at: TimestampMicros,
    ) -> Decoded {
        let mut decoded = Decoded::default();
        let letter = |reason: Reason, detail: String, payload: &[u8]| DeadLetter {
            arrived_at,
            origin: origin.to_owned(),
            reason: reason.as_str().to_owned(),
            detail,
            payload: payload[..payload.len().min(MAX_KEPT_PAYLOAD_BYTES)].to_vec(),
        };
        for (part, sample) in samples {
            let shown = format!("{} = {:?}", sample.name, sample.value);
            match self.reading(part, sample, arrived_at) {
                Ok(reading) => decoded.readings.push(reading),
                Err(fault) => decoded.dead_letters.push(letter(
                    fault.reason,
                    fault.detail.into_owned(),
                    shown.as_bytes(),
                )),
            }
        }
        for Unreadable { reason, detail, payload } in unreadable {
            decoded.dead_letters.push(letter(reason, detail, &payload));
        }
        decoded
    }

    fn reading(
        &mut self,
        part: String,
        sample: Sample,
        arrived_at: TimestampMicros,
    ) -> Result<Reading, Undecodable> {
        check_value(&sample.value)?;
        let time = time::measured(sample.time.unwrap_or(arrived_at))?;
        let series = self.series(part, sample.name, sample.unit);
        let series = series.map_err(|error| Undecodable::new(Reason::InvalidSeries, error.to_string()))?;
        Ok(Reading { series, time, value: sample.value })
    }

    fn series(&mut self, part: String, name: String, unit: Option<String>) -> Interned {
        let key = (part, name, unit);
        if let Some(known) = self.series.get(&key) {
            return Ok(Arc::clone(known));
        }
        let (part, name, unit) = &key;
        let whole = &self.source;
        let source = if part.is_empty() { whole.clone() } else { format!("{whole}/{part}") };
        let labels = unit.iter().map(|unit| ("unit".to_owned(), unit.clone())).collect();
        let made = intern(Series { event_type: name.clone(), source, labels })?;
        if self.series.len() >= MAX_CACHED {
            self.series.clear();
        }
        self.series.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

/// Checks that a value may enter the store.
pub(super) fn check_value(value: &Value) -> Result<(), Undecodable> {
    match value {
        Value::Number(number) if !number.is_finite() => {
            Err(Undecodable::new(Reason::NotFinite, format!("{number} is no finite number")))
        }
        Value::Text(text) if text.len() > MAX_TEXT_BYTES => {
            let detail = format!("a text of {} bytes, at most {MAX_TEXT_BYTES} are taken", text.len());
            Err(Undecodable::new(Reason::TextTooLong, detail))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: TimestampMicros = TimestampMicros(1_790_000_000_000_000);

    fn decoder() -> SampleDecoder {
        SampleDecoder::new(&AgentId::new("gw1").expect("a valid id"), true, "scale")
    }

    #[test]
    fn a_sample_becomes_a_reading_of_the_source_with_its_unit() {
        let sample = Sample::new("weight", Value::Number(2.5)).with_unit("kg");
        let decoded = decoder().decode("serial scale", vec![sample], Vec::new(), NOW);
        let reading = &decoded.readings[0];
        assert_eq!((reading.series.source.as_str(), reading.time), ("gw1/scale", NOW));
        assert_eq!(reading.series.labels.get("unit").map(String::as_str), Some("kg"));
        assert!(decoded.dead_letters.is_empty());
    }

    #[test]
    fn what_was_read_before_the_clock_was_set_and_is_committed_after_keeps_its_stamp() {
        let stamp = TimestampMicros(-(1 << 62) + (1 << 47) + 5);
        assert!(crate::clock::is_stamp(stamp));
        let sample = Sample { time: Some(stamp), ..Sample::new("weight", Value::Number(1.0)) };
        let decoded = decoder().decode("serial scale", vec![sample], Vec::new(), NOW);
        assert_eq!(decoded.readings.first().map(|reading| reading.time), Some(stamp));
    }

    #[test]
    fn what_cannot_be_stored_is_a_dead_letter_that_says_why() {
        let samples = vec![
            Sample::new("weight", Value::Number(f64::NAN)),
            Sample::new("a:b", Value::Number(1.0)),
            Sample { time: Some(TimestampMicros(-1)), ..Sample::new("weight", Value::Number(1.0)) },
        ];
        let unreadable = Unreadable { reason: Reason::NotUtf8, detail: "byte 3".into(), payload: vec![255] };
        let decoded = decoder().decode("serial scale", samples, vec![unreadable], NOW);
        let reasons: Vec<_> = decoded.dead_letters.iter().map(|letter| letter.reason.as_str()).collect();
        assert_eq!(reasons, ["not_finite", "invalid_series", "time_out_of_range", "not_utf8"]);
        assert!(decoded.readings.is_empty());
    }
}
