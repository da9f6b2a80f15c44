//! Packs as JSON.

use penstock_shared::reading::Value;
use serde_json::{Map, Value as Json};

use super::record::{Record, bad};
use super::resolve;
use crate::decode::dialect::findings::Findings;
use crate::decode::dialect::heard::Heard;
use crate::decode::json;
use crate::decode::reason::Undecodable;

/// A first record without one of them is not SenML.
const LABELS: [&str; 8] = ["n", "bn", "v", "vs", "vb", "vd", "s", "bver"];

pub(super) fn read(heard: &Heard<'_>) -> Option<Findings> {
    // What is no JSON is the default mapping's to complain of.
    let records: Vec<Json> = json::parse(heard.payload).ok()?;
    let first = records.first()?.as_object()?;
    if !LABELS.iter().any(|label| first.contains_key(*label)) {
        return None;
    }
    Some(resolve(heard, records.into_iter().map(record)))
}

fn record(json: Json) -> Result<Record, Undecodable> {
    let Json::Object(mut fields) = json else { return Err(bad("a record is no object".to_owned())) };
    let value = match (fields.remove("v"), fields.remove("vb"), fields.remove("vs"), fields.remove("vd")) {
        (None, None, None, None) => None,
        (Some(Json::Number(number)), None, None, None) => Some(Value::Number(as_number(&number)?)),
        (None, Some(Json::Bool(flag)), None, None) => Some(Value::Boolean(flag)),
        (None, None, Some(Json::String(text)), None) | (None, None, None, Some(Json::String(text))) => {
            Some(Value::Text(text))
        }
        _ => return Err(bad("a record has more than one value, or one of another kind".to_owned())),
    };
    Ok(Record {
        base_version: number(&mut fields, "bver")?,
        base_name: text(&mut fields, "bn")?,
        base_time: number(&mut fields, "bt")?,
        base_unit: text(&mut fields, "bu")?,
        base_value: number(&mut fields, "bv")?,
        base_sum: number(&mut fields, "bs")?,
        name: text(&mut fields, "n")?,
        unit: text(&mut fields, "u")?,
        value,
        sum: number(&mut fields, "s")?,
        time: number(&mut fields, "t")?,
        unknown: fields.into_iter().map(|(label, _)| label).find(|label| label.ends_with('_')),
    })
}

fn number(fields: &mut Map<String, Json>, label: &str) -> Result<Option<f64>, Undecodable> {
    match fields.remove(label) {
        None => Ok(None),
        Some(Json::Number(number)) => as_number(&number).map(Some),
        Some(_) => Err(bad(format!("{label:?} is no number"))),
    }
}

fn as_number(number: &serde_json::Number) -> Result<f64, Undecodable> {
    number.as_f64().ok_or_else(|| bad("a number is beyond a double".to_owned()))
}

fn text(fields: &mut Map<String, Json>, label: &str) -> Result<Option<String>, Undecodable> {
    match fields.remove(label) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(format!("{label:?} is no text"))),
    }
}
