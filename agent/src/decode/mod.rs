//! From a topic and a payload to readings, or to dead letters that say why not.
//!
//! ```text
//! topic ─▶ plan (cached): which mapping, which series ─┐
//! payload ─▶ JSON or a bare value ─▶ values, time ─────┼▶ Decoded
//! a maker's dialect, where no mapping matches ─────────┘
//! ```
//!
//! Pure: no I/O, no clock, no panic whatever the bytes. This module must not know which source a message came by.

mod dialect;
pub mod frame;
mod json;
mod payload;
mod plan;
mod reason;
pub mod record;
mod samples;
mod series;
mod time;

use std::sync::Arc;

use penstock_shared::id::AgentId;
use penstock_shared::reading::{Reading, TimestampMicros, Value};

pub use dialect::SparkplugCounts;
pub use reason::Reason;
pub use samples::{Sample, SampleDecoder, Unreadable};

use crate::config::{DecodeSettings, MappingSettings, TimeUnit};
use crate::delivery::DeadLetter;
use dialect::{Dialects, Findings, Heard};
use payload::Payload;
use plan::{PlanCache, Shape, TopicPlan};
use reason::{Faults, Undecodable};
use series::{Interned, SeriesCache};

/// Larger payloads are not looked at: parsed JSON takes many times its text.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;
/// More values in one message are refused: a commit must stay small.
pub const MAX_VALUES: usize = 1000;
/// How much of a payload a dead letter keeps.
pub const MAX_KEPT_PAYLOAD_BYTES: usize = 4096;
/// How much of a topic a dead letter keeps.
const MAX_KEPT_TOPIC_BYTES: usize = 512;

/// Where devices put their time when no mapping says where it is.
const USUAL_TIME_MEMBERS: [&str; 3] = ["time", "timestamp", "ts"];

/// What one message held.
#[derive(Debug, Default, PartialEq)]
pub struct Decoded {
    /// The readings, in the message's order.
    pub readings: Vec<Reading>,
    /// What could not become a reading.
    pub dead_letters: Vec<DeadLetter>,
    /// What to ask of devices, so that what follows can be read.
    pub asks: Vec<Ask>,
}

/// A message to a device, for the source to publish where it can; one that is lost is asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Where to publish.
    pub topic: String,
    /// What to publish.
    pub payload: Vec<u8>,
}

impl Decoded {
    /// Tells whether there is nothing to commit.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.readings.is_empty() && self.dead_letters.is_empty()
    }
}

/// Turns messages into readings. Each source has its own: the cache inside needs no lock that way.
#[derive(Debug)]
pub struct Decoder {
    plans: PlanCache,
    dialects: Dialects,
    series: SeriesCache,
    max_payload_bytes: usize,
}

impl Decoder {
    /// Makes a decoder that understands no dialect yet; without mappings the default mapping holds.
    #[must_use]
    pub fn new(agent: &AgentId, prefix_sources: bool, mappings: Arc<[MappingSettings]>) -> Self {
        Self {
            plans: PlanCache::new(agent, prefix_sources, mappings),
            dialects: Dialects::default(),
            series: SeriesCache::default(),
            max_payload_bytes: MAX_PAYLOAD_BYTES,
        }
    }

    /// Understands dialects where no mapping matches.
    #[must_use]
    pub fn with_dialects(mut self, settings: &DecodeSettings) -> Self {
        self.dialects = Dialects::new(settings);
        self
    }

    /// Looks at no payload above `bytes`, where that is below [`MAX_PAYLOAD_BYTES`].
    #[must_use]
    pub fn limit_payload(mut self, bytes: usize) -> Self {
        self.max_payload_bytes = bytes.min(MAX_PAYLOAD_BYTES);
        self
    }

    /// Decodes one message that arrived at `arrived_at`. `$SYS` and its like hold nothing.
    pub fn decode(&mut self, topic: &str, payload: &[u8], arrived_at: TimestampMicros) -> Decoded {
        let mut decoded = Decoded::default();
        if topic.starts_with('$') {
            return decoded;
        }
        let findings = self.findings(&Heard { topic, payload, arrived_at });
        let mut message =
            Message { topic, payload, arrived_at, decoded: &mut decoded, faults: Faults::default() };
        if let Some(findings) = findings {
            message.take(findings, self.plans.prefix(), &mut self.series);
        } else if let Err(fault) = message.read(&mut self.plans, self.max_payload_bytes) {
            message.faults.push(fault);
        }
        message.set_faults_aside();
        decoded
    }

    /// Reads a message in a dialect: that of its mapping, or where none matches, that which its shape tells.
    fn findings(&mut self, heard: &Heard<'_>) -> Option<Findings> {
        if heard.payload.len() > self.max_payload_bytes {
            return None;
        }
        if !self.plans.has_mappings() {
            return self.dialects.read(heard);
        }
        let dialects = &mut self.dialects;
        self.plans.with_plan(heard.topic, |plan, mapping| match (&plan.shape, mapping) {
            (Shape::Lines { source, labels }, Some(mapping)) => {
                Some(dialect::read_lines(heard, source.as_deref(), mapping.time_unit, labels))
            }
            (Shape::Unmapped, _) => dialects.read(heard),
            _ => None,
        })
    }

    /// Tells whether a topic is wanted although its broker kept it from before: it describes, it does not measure.
    #[must_use]
    pub fn wants_retained(&self, topic: &str) -> bool {
        self.dialects.wants_retained(topic)
    }

    /// Returns what Sparkplug nodes did so far.
    #[must_use]
    pub fn sparkplug_counts(&self) -> SparkplugCounts {
        self.dialects.sparkplug_counts()
    }
}

/// One message while it is being decoded.
struct Message<'a> {
    topic: &'a str,
    payload: &'a [u8],
    arrived_at: TimestampMicros,
    decoded: &'a mut Decoded,
    faults: Faults,
}

impl Message<'_> {
    fn read(&mut self, plans: &mut PlanCache, max_payload_bytes: usize) -> Result<(), Undecodable> {
        let payload = Payload::parse(self.payload, max_payload_bytes)?;
        plans.with_plan(self.topic, |plan, mapping| match (&mut plan.shape, mapping) {
            // Lines that are small enough were read before.
            (Shape::Unmapped | Shape::Lines { .. }, _) => {
                Err(Undecodable::new(Reason::UnmappedTopic, "no mapping matches the topic"))
            }
            (Shape::Mapped(series), Some(mapping)) => self.read_mapped(&payload, series, mapping),
            (Shape::Mapped(_), None) | (Shape::Default(_), _) => self.read_default(&payload, plan),
        })
    }

    fn read_mapped(
        &mut self,
        payload: &Payload,
        series: &[Interned],
        mapping: &MappingSettings,
    ) -> Result<(), Undecodable> {
        let time = match mapping.time.as_ref().and_then(|pointer| payload.member(pointer)) {
            Some(json) => time::device_time(json, mapping.time_unit)?,
            None if mapping.time.is_none() && mapping.reads_whole_payload() => self.usual_time(payload)?,
            None => self.arrival()?,
        };
        if mapping.values.is_empty() {
            let usual_member = payload.object().and_then(|members| members.get("value"));
            let value = match usual_member.filter(|_| mapping.value.is_whole()) {
                Some(json) => payload::scalar(json)?,
                None => payload.value_at(&mapping.value)?,
            };
            return self.push(series[0].clone(), time, value);
        }
        let mut found = false;
        for ((_, pointer), series) in mapping.values.iter().zip(series) {
            // A device that reports only what changed leaves members out.
            if let Some(json) = payload.member(pointer) {
                found = true;
                let pushed = payload::scalar(json).and_then(|value| self.push(series.clone(), time, value));
                pushed.unwrap_or_else(|fault| self.faults.push(fault));
            }
        }
        if found {
            Ok(())
        } else {
            Err(Undecodable::new(Reason::ValueMissing, "none of the mapping's values is there"))
        }
    }

    fn read_default(&mut self, payload: &Payload, plan: &mut TopicPlan) -> Result<(), Undecodable> {
        let Some(members) = payload.object() else {
            let value = payload.value()?;
            let time = self.arrival()?;
            return self.push(plan.whole(None), time, value);
        };
        let time = self.usual_time(payload)?;
        if let Some(json) = members.get("value") {
            let unit = members.get("unit").and_then(|unit| unit.as_str()).filter(|unit| !unit.is_empty());
            let value = payload::scalar(json)?;
            return self.push(plan.whole(unit), time, value);
        }
        let values: Vec<_> = members
            .iter()
            .filter(|(name, json)| {
                (json.is_number() || json.is_boolean())
                    && !matches!(name.as_str(), "time" | "timestamp" | "ts")
            })
            .collect();
        if values.is_empty() {
            return Err(Undecodable::new(
                Reason::ValueMissing,
                "the object has neither \"value\" nor a number or boolean",
            ));
        }
        if values.len() > MAX_VALUES {
            let detail = format!("{} values, at most {MAX_VALUES} are taken", values.len());
            return Err(Undecodable::new(Reason::TooManyValues, detail));
        }
        for (name, json) in values {
            let pushed = payload::scalar(json).and_then(|value| self.push(plan.member(name), time, value));
            pushed.unwrap_or_else(|fault| self.faults.push(fault));
        }
        Ok(())
    }

    /// Reads the device's time where it usually stands in an object, else takes the time of arrival.
    fn usual_time(&self, payload: &Payload) -> Result<TimestampMicros, Undecodable> {
        let members = payload.object();
        let usual = members.and_then(|members| USUAL_TIME_MEMBERS.iter().find_map(|name| members.get(*name)));
        usual.map_or_else(|| self.arrival(), |json| time::device_time(json, TimeUnit::Auto))
    }

    fn arrival(&self) -> Result<TimestampMicros, Undecodable> {
        time::measured(self.arrived_at)
    }

    fn push(&mut self, series: Interned, time: TimestampMicros, value: Value) -> Result<(), Undecodable> {
        let series = series.map_err(|error| Undecodable::new(Reason::InvalidSeries, error.to_string()))?;
        self.decoded.readings.push(Reading { series, time, value });
        Ok(())
    }

    fn take(&mut self, findings: Findings, prefix: &str, series: &mut SeriesCache) {
        (self.decoded.readings, self.faults, self.decoded.asks) =
            findings.finish(prefix, self.arrived_at, series);
    }

    fn set_faults_aside(self) {
        let kept = self.payload.len().min(MAX_KEPT_PAYLOAD_BYTES);
        let letters = self.faults.told().into_iter().map(|fault| DeadLetter {
            arrived_at: self.arrived_at,
            origin: format!("mqtt {}", reason::start_of(self.topic, MAX_KEPT_TOPIC_BYTES)),
            reason: fault.reason.as_str().to_owned(),
            detail: fault.detail.into_owned(),
            payload: self.payload[..kept].to_vec(),
        });
        self.decoded.dead_letters.extend(letters);
    }
}

#[cfg(test)]
mod tests;
