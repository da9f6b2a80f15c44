//! XDR: any number of measurements, each with its kind, unit and name.

use penstock_shared::reading::Value;

use super::fields::{Fields, malformed};
use crate::decode::Sample;
use crate::decode::reason::Undecodable;

pub(super) fn measurements(fields: &Fields<'_>) -> Result<Vec<Sample>, Undecodable> {
    let (groups, rest) = fields.all().as_chunks::<4>();
    if !rest.is_empty() {
        return Err(malformed("the measurements are not groups of four fields"));
    }
    let mut samples = Vec::new();
    for (place, [kind, _, unit_letter, name]) in groups.iter().enumerate() {
        let Some(number) = fields.number(place * 4 + 1, f64::MIN..=f64::MAX)? else { continue };
        let (quantity, unit) = quantity(kind, unit_letter)
            .ok_or_else(|| malformed(&format!("transducer {kind:?} in {unit_letter:?} is not known")))?;
        let name = if name.is_empty() { quantity } else { name };
        samples.push(Sample::new(name, Value::Number(number)).with_unit(unit));
    }
    Ok(samples)
}

fn quantity(kind: &str, unit_letter: &str) -> Option<(&'static str, &'static str)> {
    Some(match (kind, unit_letter) {
        ("A", "D") => ("angle", "°"),
        ("C", "C") => ("temperature", "°C"),
        ("C", "F") => ("temperature", "°F"),
        ("D", "M") => ("displacement", "m"),
        ("F", "H") => ("frequency", "Hz"),
        ("G", _) => ("generic", ""),
        ("H", "P") => ("humidity", "%"),
        ("I", "A") => ("current", "A"),
        ("N", "N") => ("force", "N"),
        ("P", "B") => ("pressure", "bar"),
        ("P", "P") => ("pressure", "Pa"),
        ("R", "L") => ("flow", "l/s"),
        ("S", _) => ("switch", ""),
        ("T", "R") => ("speed", "rpm"),
        ("U", "V") => ("voltage", "V"),
        ("V", "M") => ("volume", "m³"),
        ("L", "S") => ("salinity", "ppt"),
        _ => return None,
    })
}
