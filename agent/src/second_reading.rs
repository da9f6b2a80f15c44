//! From a dead letter back to readings, by the configuration as it is now.
//!
//! Exactly once rests on this: a letter is sent again by itself only where its message gave no reading when it came. A
//! message of many values of which one was bad is kept whole in that one's letter, and the others are stored already.

use std::sync::Arc;
use std::time::Instant;

use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::Settings;
use crate::config::serial::RecordSettings;
use crate::decode::record::RecordParser;
use crate::decode::{Decoder, MAX_KEPT_PAYLOAD_BYTES, SampleDecoder};
use crate::delivery::DeadLetter;
use crate::edge::Edge;

/// Reasons that stand for a whole message or record, whichever source it came by.
const WHOLE: [&str; 8] = [
    "unmapped_topic",
    "empty_payload",
    "not_utf8",
    "bad_json",
    "value_missing",
    "bad_record",
    "not_a_number",
    "too_many_values",
];
/// A message of Sparkplug has many metrics, each with its own faults, and its names come from births.
const SPARKPLUG: &str = "mqtt spBv1.0/";

/// Why a letter gives no readings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// Other values of its message may be stored.
    #[error(
        "\"{0}\" may concern one value of its message only: the others are stored, and --force would double them"
    )]
    Part(String),
    /// The letter does not hold the whole payload.
    #[error("its payload was cut to {MAX_KEPT_PAYLOAD_BYTES} bytes")]
    Cut,
    /// It cannot be told how it was to be read.
    #[error("no source of this configuration reads what came from {0}")]
    Source(String),
    /// It still is no reading.
    #[error("still no reading: {reason}: {detail}")]
    Still {
        /// The word for counting.
        reason: String,
        /// The particulars.
        detail: String,
    },
}

/// Reads a letter once more. With `force` also one whose message was stored in part.
///
/// # Errors
/// When it gives no reading, or gave some already.
pub fn read(settings: &Settings, letter: &DeadLetter, force: bool) -> Result<Vec<Reading>, Unsendable> {
    if letter.is_of_hub() {
        return Ok(vec![kept_reading(&letter.payload)?]);
    }
    if letter.origin.starts_with(DeadLetter::OF_SERIES) {
        let reading = kept_reading(&letter.payload)?;
        return screened(settings, vec![reading], letter.arrived_at);
    }
    let is_whole = WHOLE.contains(&letter.reason.as_str()) && !letter.origin.starts_with(SPARKPLUG);
    if !is_whole && !force {
        return Err(Unsendable::Part(letter.reason.clone()));
    }
    if letter.payload.len() >= MAX_KEPT_PAYLOAD_BYTES {
        return Err(Unsendable::Cut);
    }
    let (readings, faults) = decoded(settings, letter)?;
    match faults.into_iter().next() {
        Some(DeadLetter { reason, detail, .. }) => Err(Unsendable::Still { reason, detail }),
        None => screened(settings, readings, letter.arrived_at),
    }
}

fn decoded(settings: &Settings, letter: &DeadLetter) -> Result<(Vec<Reading>, Vec<DeadLetter>), Unsendable> {
    let unknown = || Unsendable::Source(letter.origin.clone());
    let (kind, name) = letter.origin.split_once(' ').ok_or_else(unknown)?;
    let record = match kind {
        "mqtt" => {
            let mappings = settings.mappings.clone().into();
            let agent = &settings.agent;
            let mut decoder =
                Decoder::new(&agent.id, agent.prefix_sources, mappings).with_dialects(&settings.decode);
            let decoded = decoder.decode(name, &letter.payload, letter.arrived_at);
            return Ok((decoded.readings, decoded.dead_letters));
        }
        "serial" => settings.serials.iter().find(|serial| serial.name == name).map(|serial| &serial.record),
        "command" => {
            settings.commands.iter().find(|command| command.name == name).map(|command| &command.record)
        }
        _ => None,
    };
    of_record(settings, letter, name, record.ok_or_else(unknown)?)
}

fn of_record(
    settings: &Settings,
    letter: &DeadLetter,
    name: &str,
    record: &RecordSettings,
) -> Result<(Vec<Reading>, Vec<DeadLetter>), Unsendable> {
    let samples = RecordParser::new(record.clone()).parse(&letter.payload);
    let samples = samples.map_err(|fault| Unsendable::Still {
        reason: fault.reason.as_str().to_owned(),
        detail: fault.detail,
    })?;
    let mut decoder = SampleDecoder::new(&settings.agent.id, settings.agent.prefix_sources, name);
    let decoded = decoder.decode(&letter.origin, samples, Vec::new(), letter.arrived_at);
    Ok((decoded.readings, decoded.dead_letters))
}

/// Scales readings and looks whether they are credible, as the committer does. There is no last report to compare with.
fn screened(
    settings: &Settings,
    readings: Vec<Reading>,
    arrived_at: TimestampMicros,
) -> Result<Vec<Reading>, Unsendable> {
    let screened = Edge::new(&settings.series, settings.limits).screen(readings, Instant::now(), arrived_at);
    match screened.dead_letters.into_iter().next() {
        Some(DeadLetter { reason, detail, .. }) => Err(Unsendable::Still { reason, detail }),
        None => Ok(screened.kept),
    }
}

#[derive(Deserialize)]
struct Kept<'a> {
    series: Series,
    time: TimestampMicros,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Reads a reading that was kept as JSON, to the bit: serde's own way to numbers may be off by the last one.
///
/// # Errors
/// When it is none.
pub fn kept_reading(json: &[u8]) -> Result<Reading, Unsendable> {
    let still = |detail: String| Unsendable::Still { reason: "no_reading".to_owned(), detail };
    let kept: Kept<'_> = serde_json::from_slice(json).map_err(|error| still(error.to_string()))?;
    kept.series.validate().map_err(|error| still(error.to_string()))?;
    let text = kept.value.get();
    let value = match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Value::Number(number),
        _ => serde_json::from_str(text).map_err(|error| still(error.to_string()))?,
    };
    Ok(Reading { series: Arc::new(kept.series), time: kept.time, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(origin: &str, reason: &str, payload: &str) -> DeadLetter {
        DeadLetter {
            arrived_at: TimestampMicros(1_700_000_000_000_000),
            origin: origin.into(),
            reason: reason.into(),
            detail: String::new(),
            payload: payload.into(),
        }
    }

    #[test]
    fn a_message_that_the_configuration_reads_now_becomes_readings() {
        let settings = Settings::default();
        let read = |reason: &str, payload: &str| read(&settings, &letter("mqtt a/b", reason, payload), false);
        assert_eq!(read("unmapped_topic", "21.5").unwrap()[0].value, Value::Number(21.5));
        assert!(matches!(read("bad_json", "{"), Err(Unsendable::Still { .. })));
        assert_eq!(read("bad_json", &"1".repeat(5000)), Err(Unsendable::Cut));
    }

    #[test]
    fn a_message_that_was_stored_in_part_is_not_stored_twice() {
        let settings = Settings::default();
        let partly = letter("mqtt a/b", "not_a_value", r#"{"x": 1, "y": 2}"#);
        assert_eq!(read(&settings, &partly, false), Err(Unsendable::Part("not_a_value".into())));
        assert_eq!(read(&settings, &partly, true).unwrap().len(), 2);
        let sparkplug = letter("mqtt spBv1.0/g/DDATA/n/d", "value_missing", "x");
        assert!(matches!(read(&settings, &sparkplug, false), Err(Unsendable::Part(_))));
    }

    #[test]
    fn what_the_hub_refused_comes_back_to_the_bit() {
        let series = Arc::new(Series::new("temperature", "gw/a").unwrap());
        for number in [0.1 + 0.2, f64::MIN_POSITIVE, -0.0, 1e300, 123_456_789.123_456_79] {
            let reading = Reading {
                series: Arc::clone(&series),
                time: TimestampMicros(5),
                value: Value::Number(number),
            };
            let json = serde_json::to_string(&reading).unwrap();
            let again =
                read(&Settings::default(), &letter("hub, commit 7", "refused", &json), false).unwrap();
            assert!(again[0].value.same_bits(&reading.value), "{number}");
        }
    }
}
