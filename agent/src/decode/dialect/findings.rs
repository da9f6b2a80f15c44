//! What a dialect found in a message, and its way to readings.

use std::sync::Arc;

use penstock_shared::reading::{MAX_NAME_BYTES, Reading, Series, TimestampMicros, Value};
use serde_json::Value as Json;

use crate::decode::Ask;
use crate::decode::payload::scalar;
use crate::decode::reason::{Faults, Reason, Undecodable};
use crate::decode::samples::{self, Sample};
use crate::decode::series::SeriesCache;
use crate::decode::time;

/// More values in one message are left out, with a dead letter that says so. Above what the default mapping takes, as
/// births and batches of line protocol name a whole plant at once; the buffer splits them.
const MAX_VALUES: usize = 5_000;
/// What the values of one message may take until they are readings: what many share, such as a line's tags, is then in
/// the series of each. It is told from lengths, with what a value and a label take themselves.
const MAX_FOUND_BYTES: usize = 4 << 20;
const VALUE_BYTES: usize = 200;
const LABEL_BYTES: usize = 48;

/// What one message held.
#[derive(Debug, Default)]
pub(in crate::decode) struct Findings {
    found: Vec<Found>,
    found_bytes: usize,
    faults: Faults,
    pub(in crate::decode) asks: Vec<Ask>,
}

#[derive(Debug)]
struct Found {
    source: Arc<str>,
    labels: Vec<(String, String)>,
    sample: Sample,
}

impl Findings {
    /// Makes the findings in a message that cannot be read.
    pub(super) fn fault(fault: Undecodable) -> Self {
        let mut findings = Self::default();
        findings.set_aside(fault);
        findings
    }

    /// Notes a part that cannot be read.
    pub(super) fn set_aside(&mut self, fault: Undecodable) {
        self.faults.push(fault);
    }

    /// Tells whether no more values are taken.
    pub(super) const fn is_full(&self) -> bool {
        self.found.len() > MAX_VALUES || self.found_bytes > MAX_FOUND_BYTES
    }

    /// Notes a value of `source`, which has no agent's prefix yet.
    pub(super) fn push(&mut self, source: &Arc<str>, sample: Sample, labels: Vec<(String, String)>) {
        if !self.is_full() {
            let found = Found { source: Arc::clone(source), labels, sample };
            self.found_bytes += found.bytes();
            self.found.push(found);
        }
    }

    /// Notes a member of a JSON object as it stands there, if it is a value: a number, a boolean, or on or off.
    pub(super) fn push_json(
        &mut self,
        source: &Arc<str>,
        sample: Sample,
        json: &Json,
        labels: Vec<(String, String)>,
    ) {
        match scalar(json) {
            Ok(value) => self.push(source, Sample { value, ..sample }, labels),
            Err(fault) => self.set_aside(fault),
        }
    }

    /// Turns the findings into readings, of sources that begin with `prefix`, and into reasons for dead letters.
    pub(in crate::decode) fn finish(
        mut self,
        prefix: &str,
        arrived_at: TimestampMicros,
        series: &mut SeriesCache,
    ) -> (Vec<Reading>, Faults, Vec<Ask>) {
        let mut faults = Faults::default();
        if self.is_full() {
            // The last is the one that was too many.
            self.found.pop();
            let detail = format!("only the first {} values of the message are taken", self.found.len());
            faults.push(Undecodable::new(Reason::TooManyValues, detail));
        }
        faults.extend(self.faults);
        let mut readings = Vec::with_capacity(self.found.len());
        for found in self.found {
            match found.reading(prefix, arrived_at, series) {
                Ok(reading) => readings.push(reading),
                Err(fault) => faults.push(fault),
            }
        }
        (readings, faults, self.asks)
    }
}

impl Found {
    /// Tells about how much memory a reading of it takes, where its series is new.
    fn bytes(&self) -> usize {
        let label = |(name, value): &(String, String)| LABEL_BYTES + name.len() + value.len();
        let labels: usize = self.labels.iter().map(label).sum();
        let text = match &self.sample.value {
            Value::Text(text) => text.len(),
            Value::Number(_) | Value::Boolean(_) => 0,
        };
        let unit = self.sample.unit.as_ref().map_or(0, String::len);
        VALUE_BYTES + self.source.len() + self.sample.name.len() + unit + labels + text
    }

    fn reading(
        self,
        prefix: &str,
        arrived_at: TimestampMicros,
        cache: &mut SeriesCache,
    ) -> Result<Reading, Undecodable> {
        let Sample { name, value, unit, time } = self.sample;
        samples::check_value(&value)?;
        let time = time::keepable(time.unwrap_or(arrived_at), arrived_at)?;
        let mut labels = std::collections::BTreeMap::from_iter(self.labels);
        labels.extend(unit.map(|unit| ("unit".to_owned(), unit)));
        let series =
            Series { event_type: channel_safe(name), source: format!("{prefix}{}", self.source), labels };
        let series = cache.intern(series);
        let series = series.map_err(|error| Undecodable::new(Reason::InvalidSeries, error.to_string()))?;
        Ok(Reading { series, time, value })
    }
}

/// A type has no `:` and no `@`, which makers' names do have.
fn channel_safe(name: String) -> String {
    if name.contains([':', '@']) { name.replace([':', '@'], "_") } else { name }
}

/// Tells whether a member of an object is worth a reading by itself: a number, a boolean, or on or off.
pub(super) fn is_value(json: &Json) -> bool {
    match json {
        Json::Number(_) | Json::Bool(_) => true,
        Json::String(_) => matches!(scalar(json), Ok(Value::Boolean(_))),
        _ => false,
    }
}

/// Checks a name before it is copied to each of its values: no series can have a longer one, and a million bytes of name
/// times a thousand values would fill the memory.
pub(super) fn check_name(name: &str) -> Result<(), Undecodable> {
    if name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    let detail = format!("a name of {} bytes, at most {MAX_NAME_BYTES} are taken", name.len());
    Err(Undecodable::new(Reason::InvalidSeries, detail))
}

/// Makes the one label that most dialects have.
pub(super) fn label(name: &str, value: impl Into<String>) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.into())]
}
