//! A device's own time: a number whose unit is told or guessed by magnitude, or RFC 3339.

use chrono::DateTime;
use penstock_shared::reading::TimestampMicros;
use serde_json::Value as Json;

use super::reason::{Reason, Undecodable};
use crate::clock;
use crate::config::TimeUnit;

/// Numbers below are seconds: as milliseconds they would lie before March 1973, as seconds they reach the year 5138.
const SECONDS_BELOW: u64 = 100_000_000_000;
const MILLIS_BELOW: u64 = SECONDS_BELOW * 1_000;
const MICROS_BELOW: u64 = MILLIS_BELOW * 1_000;

/// Reads the device's time and checks that it can be stored.
pub(super) fn device_time(json: &Json, unit: TimeUnit) -> Result<TimestampMicros, Undecodable> {
    let micros = match json {
        Json::Number(number) => from_number(number, unit)?,
        Json::String(text) => from_text(text.trim(), unit)?,
        _ => return Err(unreadable(json)),
    };
    storable(TimestampMicros(micros.ok_or_else(out_of_range)?))
}

/// Checks that a moment may enter the store.
pub(super) fn storable(time: TimestampMicros) -> Result<TimestampMicros, Undecodable> {
    if time.is_storable() { Ok(time) } else { Err(out_of_range()) }
}

/// Checks that a moment may enter the store, or is one of this agent's own from before the clock is set. Devices' own
/// times are checked where they are read.
pub(super) fn measured(time: TimestampMicros) -> Result<TimestampMicros, Undecodable> {
    if clock::is_stamp(time) { Ok(time) } else { storable(time) }
}

/// Checks a moment that may be a device's own, or counted from the arrival of its message.
pub(super) fn keepable(
    time: TimestampMicros,
    arrived_at: TimestampMicros,
) -> Result<TimestampMicros, Undecodable> {
    if clock::is_stamp(arrived_at) { measured(time) } else { storable(time) }
}

/// None is beyond any clock.
fn from_number(number: &serde_json::Number, unit: TimeUnit) -> Result<Option<i64>, Undecodable> {
    if unit == TimeUnit::Rfc3339 {
        return Err(Undecodable::new(Reason::BadTime, "a number where an RFC 3339 text is expected"));
    }
    if let Some(whole) = number.as_i64() {
        return Ok(from_integer(whole, unit));
    }
    // What is left is a fraction, or an integer beyond i64, which as a fraction is out of range just the same.
    Ok(number.as_f64().and_then(|fraction| from_fraction(fraction, unit)))
}

fn from_text(text: &str, unit: TimeUnit) -> Result<Option<i64>, Undecodable> {
    if unit != TimeUnit::Rfc3339 {
        if let Ok(whole) = text.parse::<i64>() {
            return Ok(from_integer(whole, unit));
        }
        if let Some(fraction) = text.parse::<f64>().ok().filter(|fraction| fraction.is_finite()) {
            return Ok(from_fraction(fraction, unit));
        }
    }
    if !matches!(unit, TimeUnit::Auto | TimeUnit::Rfc3339) {
        return Err(Undecodable::new(Reason::BadTime, "a text where a number is expected"));
    }
    match DateTime::parse_from_rfc3339(text) {
        Ok(moment) => Ok(Some(moment.timestamp_micros())),
        Err(error) => {
            Err(Undecodable::new(Reason::BadTime, format!("neither a number nor RFC 3339: {error}")))
        }
    }
}

/// Without a float in between: nanoseconds of today need 61 bits.
fn from_integer(whole: i64, unit: TimeUnit) -> Option<i64> {
    match resolve(unit, whole.unsigned_abs()) {
        TimeUnit::Millis => whole.checked_mul(1_000),
        TimeUnit::Micros => Some(whole),
        TimeUnit::Nanos => Some(whole.div_euclid(1_000)),
        TimeUnit::Seconds | TimeUnit::Auto | TimeUnit::Rfc3339 => whole.checked_mul(1_000_000),
    }
}

fn from_fraction(fraction: f64, unit: TimeUnit) -> Option<i64> {
    let magnitude = fraction.abs().min(u64::MAX as f64) as u64;
    let micros = match resolve(unit, magnitude) {
        TimeUnit::Millis => fraction * 1e3,
        TimeUnit::Micros => fraction,
        TimeUnit::Nanos => fraction / 1e3,
        TimeUnit::Seconds | TimeUnit::Auto | TimeUnit::Rfc3339 => fraction * 1e6,
    }
    .round();
    (micros.abs() < 9e18).then_some(micros as i64)
}

fn resolve(unit: TimeUnit, magnitude: u64) -> TimeUnit {
    match unit {
        TimeUnit::Auto if magnitude < SECONDS_BELOW => TimeUnit::Seconds,
        TimeUnit::Auto if magnitude < MILLIS_BELOW => TimeUnit::Millis,
        TimeUnit::Auto if magnitude < MICROS_BELOW => TimeUnit::Micros,
        TimeUnit::Auto => TimeUnit::Nanos,
        told => told,
    }
}

fn unreadable(json: &Json) -> Undecodable {
    let kind = match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Array(_) => "a list",
        _ => "an object",
    };
    Undecodable::new(Reason::BadTime, format!("the time is {kind}"))
}

fn out_of_range() -> Undecodable {
    Undecodable::new(Reason::TimeOutOfRange, "only times from 1970 up to 2038-01-19T03:14:07Z can be stored")
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_000_123_456;

    fn time_of(json: &str, unit: TimeUnit) -> Result<i64, &'static str> {
        let json: Json = serde_json::from_str(json).expect("JSON");
        device_time(&json, unit).map(|time| time.0).map_err(|fault| fault.reason.as_str())
    }

    #[test]
    fn times_are_read_in_every_unit_without_losing_a_microsecond() {
        for (json, unit, expected) in [
            ("1700000000", TimeUnit::Auto, Ok(1_700_000_000_000_000)),
            ("1700000000.123456", TimeUnit::Auto, Ok(T)),
            ("1700000000123", TimeUnit::Auto, Ok(1_700_000_000_123_000)),
            ("1700000000123456", TimeUnit::Auto, Ok(T)),
            ("1700000000123456789", TimeUnit::Auto, Ok(T)),
            ("\"1700000000123456789\"", TimeUnit::Auto, Ok(T)),
            ("\"2023-11-14T22:13:20.123456Z\"", TimeUnit::Auto, Ok(T)),
            ("\"2023-11-14T23:13:20.123456+01:00\"", TimeUnit::Rfc3339, Ok(T)),
            ("5", TimeUnit::Nanos, Ok(0)),
            ("5", TimeUnit::Millis, Ok(5_000)),
            ("0", TimeUnit::Auto, Ok(0)),
            ("\"yesterday\"", TimeUnit::Auto, Err("bad_time")),
            ("\"2023-11-14T22:13:20\"", TimeUnit::Auto, Err("bad_time")),
            ("1", TimeUnit::Rfc3339, Err("bad_time")),
            ("\"2023-11-14T22:13:20Z\"", TimeUnit::Seconds, Err("bad_time")),
            ("null", TimeUnit::Auto, Err("bad_time")),
        ] {
            assert_eq!(time_of(json, unit), expected, "{json} as {unit:?}");
        }
    }

    #[test]
    fn times_outside_1970_to_2038_are_out_of_range() {
        for json in [
            "-1",
            "\"1969-12-31T23:59:59.999999Z\"",
            "2147483648",
            "2177452800",
            "\"2038-01-19T03:14:08Z\"",
            "18446744073709551615",
            "9223372036854775807",
            "-9223372036854775808",
            "1e300",
            "-1e300",
            "\"+262142-01-01T00:00:00Z\"",
        ] {
            let answer = time_of(json, TimeUnit::Auto);
            assert!(matches!(answer, Err("time_out_of_range" | "bad_time")), "{json}: {answer:?}");
        }
        assert_eq!(time_of("9223372036854775807", TimeUnit::Seconds), Err("time_out_of_range"));
    }
}
