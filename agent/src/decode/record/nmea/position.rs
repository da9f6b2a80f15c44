//! Where a ship is and how it moves: RMC, GGA, GLL, VTG.

use chrono::NaiveDate;
use penstock_shared::reading::{TimestampMicros, Value};

use super::fields::{Fields, malformed};
use crate::decode::Sample;
use crate::decode::reason::Undecodable;

const ALTITUDES_METRES: std::ops::RangeInclusive<f64> = -1_000.0..=100_000.0;
/// Two digits tell the year; satellite receivers came up in the eighties.
const FIRST_YEAR_OF_1900: i32 = 80;

/// RMC: position, speed and course, with date and time.
pub(super) fn minimum(fields: &Fields<'_>) -> Result<Vec<Sample>, Undecodable> {
    if !is_valid(fields.text(1))? {
        return Ok(Vec::new());
    }
    let mut samples = coordinates(fields, 2)?;
    samples.extend(fields.values(&[(6, "speed", "kn")], 0.0..=2_000.0)?);
    samples.extend(fields.values(&[(7, "course", "°")], 0.0..=360.0)?);
    let time = moment(fields.text(8), fields.text(0))?;
    for sample in &mut samples {
        sample.time = time;
    }
    Ok(samples)
}

/// GGA: position, altitude and how good it is.
pub(super) fn fix(fields: &Fields<'_>) -> Result<Vec<Sample>, Undecodable> {
    check_time_of_day(fields.text(0))?;
    let mut samples = fields.values(&[(5, "fix_quality", "")], 0.0..=9.0)?;
    if samples.iter().all(|quality| quality.value == Value::Number(0.0)) {
        return Ok(samples);
    }
    samples.extend(coordinates(fields, 1)?);
    samples.extend(fields.values(&[(6, "satellites", "")], 0.0..=99.0)?);
    samples.extend(fields.values(&[(7, "hdop", "")], 0.0..=100.0)?);
    samples.extend(fields.marked_pair(&[(8, 'M', "altitude")], "m", ALTITUDES_METRES)?);
    Ok(samples)
}

/// GLL: position alone.
pub(super) fn position(fields: &Fields<'_>) -> Result<Vec<Sample>, Undecodable> {
    if !is_valid(fields.text(5))? {
        return Ok(Vec::new());
    }
    check_time_of_day(fields.text(4))?;
    coordinates(fields, 0)
}

/// VTG: course and speed over ground.
pub(super) fn track(fields: &Fields<'_>) -> Result<Vec<Sample>, Undecodable> {
    let courses = [(0, 'T', "course"), (2, 'M', "course_magnetic")];
    let mut samples = fields.marked_pair(&courses, "°", 0.0..=360.0)?;
    samples.extend(fields.marked_pair(&[(4, 'N', "speed")], "kn", 0.0..=2_000.0)?);
    samples.extend(fields.marked_pair(&[(6, 'K', "speed")], "km/h", 0.0..=4_000.0)?);
    Ok(samples)
}

fn is_valid(status: &str) -> Result<bool, Undecodable> {
    match status {
        "A" | "D" => Ok(true),
        "V" | "" => Ok(false),
        _ => Err(malformed("status is neither A nor V")),
    }
}

fn coordinates(fields: &Fields<'_>, first: usize) -> Result<Vec<Sample>, Undecodable> {
    let latitude = angle(fields.text(first), fields.text(first + 1), 2, ("N", "S"), 90.0)?;
    let longitude = angle(fields.text(first + 2), fields.text(first + 3), 3, ("E", "W"), 180.0)?;
    let named = [("latitude", latitude), ("longitude", longitude)];
    let known = named.into_iter().filter_map(|(name, angle)| Some((name, angle?)));
    Ok(known.map(|(name, angle)| Sample::new(name, Value::Number(angle)).with_unit("°")).collect())
}

/// Reads degrees and minutes, such as `4916.45` and `N`, as degrees rounded to a tenth of a millimetre.
fn angle(
    text: &str,
    side: &str,
    degree_digits: usize,
    (positive, negative): (&str, &str),
    limit: f64,
) -> Result<Option<f64>, Undecodable> {
    if text.is_empty() && side.is_empty() {
        return Ok(None);
    }
    let strange = || malformed(&format!("no position: {text:?} {side:?}"));
    let (degrees, minutes) = text.split_at_checked(degree_digits).ok_or_else(strange)?;
    let whole_minutes = minutes.split_once('.').map_or(minutes, |(whole, _)| whole);
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !digits_only || whole_minutes.len() != 2 || degrees.contains('.') {
        return Err(strange());
    }
    let degrees: f64 = degrees.parse().map_err(|_| strange())?;
    let minutes: f64 = minutes.parse().map_err(|_| strange())?;
    let magnitude = ((degrees + minutes / 60.0) * 1e9).round() / 1e9;
    if minutes >= 60.0 || magnitude > limit {
        return Err(strange());
    }
    match side {
        side if side == positive => Ok(Some(magnitude)),
        side if side == negative => Ok(Some(-magnitude)),
        _ => Err(strange()),
    }
}

fn check_time_of_day(text: &str) -> Result<(), Undecodable> {
    if text.is_empty() { Ok(()) } else { micros_of_day(text).map(|_| ()) }
}

/// Reads `ddmmyy` and `hhmmss.sss`; where one of them is empty, the receiver does not know yet.
fn moment(date: &str, time: &str) -> Result<Option<TimestampMicros>, Undecodable> {
    if date.is_empty() || time.is_empty() {
        return Ok(None);
    }
    let strange = || malformed(&format!("no date: {date:?}"));
    let [day, month, year] = two_digits(date).ok_or_else(strange)?;
    let year = i32::try_from(year).map_err(|_| strange())?;
    let century = if year >= FIRST_YEAR_OF_1900 { 1900 } else { 2000 };
    let midnight = NaiveDate::from_ymd_opt(century + year, month, day)
        .and_then(|date| date.and_hms_opt(0, 0, 0))
        .ok_or_else(strange)?;
    Ok(Some(TimestampMicros(midnight.and_utc().timestamp_micros() + micros_of_day(time)?)))
}

fn micros_of_day(text: &str) -> Result<i64, Undecodable> {
    let strange = || malformed(&format!("no time of day: {text:?}"));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let [hours, minutes, seconds] = two_digits(whole).ok_or_else(strange)?;
    let has_form = fraction.len() <= 6 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    // 60 is a leap second.
    if !has_form || hours > 23 || minutes > 59 || seconds > 60 {
        return Err(strange());
    }
    let micros: i64 = format!("{fraction:0<6}").parse().map_err(|_| strange())?;
    Ok((i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds)) * 1_000_000 + micros)
}

fn two_digits(text: &str) -> Option<[u32; 3]> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(10)).collect::<Option<_>>()?;
    match digits[..] {
        [a, b, c, d, e, f] => Some([a * 10 + b, c * 10 + d, e * 10 + f]),
        _ => None,
    }
}
