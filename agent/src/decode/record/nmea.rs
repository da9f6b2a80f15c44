//! NMEA 0183: sentences of ships, satellite receivers and weather instruments. Their checksum must be there and hold.
//!
//! It is an exclusive or of all characters, so two equal flips at two places pass it; every field is therefore read
//! strictly, in the form and range that its sentence gives it. Layouts: NMEA 0183 version 4, as Raymond's "NMEA Revealed"
//! collects them.

mod fields;
mod position;
mod transducer;

use penstock_shared::reading::Value;

use crate::decode::reason::Undecodable;
use crate::decode::{Reason, Sample};
use fields::{Fields, malformed};

/// The standard allows 82 characters; receivers with many digits exceed it.
const MAX_SENTENCE_BYTES: usize = 160;

/// Reads one sentence; one of a kind that is not known holds nothing.
pub(super) fn read(line: &str) -> Result<Vec<Sample>, Undecodable> {
    // What stands before the last dollar is the rest of another sentence.
    let Some(begin) = line.rfind(['$', '!']) else {
        return Err(Undecodable::new(Reason::BadRecord, "no sentence begins with '$'"));
    };
    let sentence = &line[begin + 1..];
    let (body, written) = sentence
        .rsplit_once('*')
        .ok_or_else(|| Undecodable::new(Reason::BadChecksum, "the sentence has no checksum"))?;
    let computed = body.bytes().fold(0, |sum, byte| sum ^ byte);
    let is_hex = written.len() == 2 && written.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || u8::from_str_radix(written, 16) != Ok(computed) {
        let detail =
            format!("the checksum is {computed:02X}, not {:?}", &written.chars().take(4).collect::<String>());
        return Err(Undecodable::new(Reason::BadChecksum, detail));
    }
    if body.len() > MAX_SENTENCE_BYTES || !body.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(malformed("has characters that no sentence has"));
    }
    let mut parts = body.split(',');
    let address = parts.next().unwrap_or_default();
    let fields = Fields::new(parts.collect());
    // Two letters tell the talker; what begins with P is a maker's own.
    let kind = address.get(2..).filter(|kind| kind.len() == 3 && !address.starts_with('P'));
    kind.map_or_else(|| Ok(Vec::new()), |kind| read_kind(kind, &fields))
}

fn read_kind(kind: &str, fields: &Fields<'_>) -> Result<Vec<Sample>, Undecodable> {
    match kind {
        "RMC" => position::minimum(fields),
        "GGA" => position::fix(fields),
        "GLL" => position::position(fields),
        "VTG" => position::track(fields),
        "HDT" => fields.marked_pair(&[(0, 'T', "heading")], "°", 0.0..=360.0),
        "HDM" => fields.marked_pair(&[(0, 'M', "heading_magnetic")], "°", 0.0..=360.0),
        "HDG" => fields.values(&[(0, "heading_magnetic", "°")], 0.0..=360.0),
        "MWV" => wind(fields),
        "DBT" => fields.marked_pair(&[(2, 'M', "depth")], "m", 0.0..=12_000.0),
        "DPT" => fields.values(&[(0, "depth", "m")], 0.0..=12_000.0),
        "MTW" => fields.marked_pair(&[(0, 'C', "water_temperature")], "°C", -10.0..=100.0),
        "VHW" => fields.marked_pair(&[(4, 'N', "water_speed")], "kn", 0.0..=500.0),
        "XDR" => transducer::measurements(fields),
        _ => Ok(Vec::new()),
    }
}

fn wind(fields: &Fields<'_>) -> Result<Vec<Sample>, Undecodable> {
    match fields.text(4) {
        "A" => {}
        "V" => return Ok(Vec::new()),
        _ => return Err(malformed("status is neither A nor V")),
    }
    let (angle_name, speed_name) = match fields.text(1) {
        "R" => ("wind_angle_relative", "wind_speed_relative"),
        "T" => ("wind_angle_true", "wind_speed_true"),
        _ => return Err(malformed("reference is neither R nor T")),
    };
    let mut samples = Vec::new();
    if let Some(angle) = fields.number(0, 0.0..=360.0)? {
        samples.push(Sample::new(angle_name, Value::Number(angle)).with_unit("°"));
    }
    if let Some(speed) = fields.number(2, 0.0..=1_000.0)? {
        let unit = match fields.text(3) {
            "K" => "km/h",
            "M" => "m/s",
            "N" => "kn",
            "S" => "mph",
            _ => return Err(malformed("the speed has no unit that is known")),
        };
        samples.push(Sample::new(speed_name, Value::Number(speed)).with_unit(unit));
    }
    Ok(samples)
}
