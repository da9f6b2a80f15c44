//! Report by exception: whether a reading says something that the last reported one did not.
//!
//! A reading older than the last report is always kept: it is late, and nothing tells what it adds.

use std::time::Duration;

use penstock_shared::reading::{Reading, TimestampMicros, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::counts::Withheld;
use crate::config::ExceptionSettings;

/// The last reported reading of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LastReport {
    time: TimestampMicros,
    value: Remembered,
}

/// A value in a few bytes, enough to tell whether another differs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Remembered {
    Number(f64),
    Boolean(bool),
    /// XXH3-128 of the text.
    Text(u128),
}

impl From<&Value> for Remembered {
    fn from(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            Value::Boolean(state) => Self::Boolean(*state),
            Value::Text(text) => Self::Text(xxh3_128(text.as_bytes())),
        }
    }
}

/// Tells whether a reading is to be reported; otherwise how it counts.
pub(super) fn judge(
    last: &LastReport,
    reading: &Reading,
    settings: &ExceptionSettings,
) -> Result<(), fn(&mut Withheld)> {
    let Some(since) = since(last.time, reading.time) else { return Ok(()) };
    if settings.max_interval.is_some_and(|longest| since >= longest) {
        return Ok(());
    }
    if settings.min_interval.is_some_and(|shortest| since < shortest) {
        return Err(|withheld| withheld.too_soon += 1);
    }
    if differs(last.value, Remembered::from(&reading.value), settings) {
        return Ok(());
    }
    Err(|withheld| withheld.unchanged += 1)
}

/// Remembers a report, unless it is older than the last.
pub(super) fn note(last: &mut Option<LastReport>, reading: &Reading) {
    if last.is_none_or(|last| last.time <= reading.time) {
        *last = Some(LastReport { time: reading.time, value: Remembered::from(&reading.value) });
    }
}

/// None when `later` is earlier.
fn since(earlier: TimestampMicros, later: TimestampMicros) -> Option<Duration> {
    let micros = later.0.saturating_sub(earlier.0);
    u64::try_from(micros).ok().map(Duration::from_micros)
}

/// Without a deadband everything counts as different.
fn differs(last: Remembered, value: Remembered, settings: &ExceptionSettings) -> bool {
    if settings.deadband.is_none() && settings.deadband_percent.is_none() {
        return true;
    }
    match (last, value) {
        (Remembered::Number(last), Remembered::Number(number)) => {
            let widths =
                [settings.deadband, settings.deadband_percent.map(|percent| last.abs() * percent / 100.0)];
            widths.into_iter().flatten().all(|width| (number - last).abs() > width)
        }
        (last, value) => last != value,
    }
}
