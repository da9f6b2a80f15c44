//! Packs as CBOR, read record by record: nothing of the pack is held but the record at hand, whatever lengths it claims.

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use penstock_shared::reading::Value;

use super::record::{Record, bad};
use super::resolve;
use crate::decode::dialect::findings::Findings;
use crate::decode::dialect::heard::Heard;
use crate::decode::reason::Undecodable;

/// Fields of a record; RFC 8428 knows fifteen.
const MAX_FIELDS: usize = 64;

/// Tells whether a byte begins an array. No UTF-8 text begins with one of these.
pub(super) const fn begins_array(byte: u8) -> bool {
    matches!(byte, 0x80..=0x9f)
}

pub(super) fn read(heard: &Heard<'_>) -> Option<Findings> {
    let mut decoder = Decoder::new(heard.payload);
    let mut left = decoder.array().ok()?;
    if !matches!(decoder.datatype().ok()?, Type::Map | Type::MapIndef) {
        return None;
    }
    let mut broken = false;
    let records = std::iter::from_fn(move || {
        let ends = match &mut left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => decoder.datatype().is_ok_and(|kind| kind == Type::Break),
        };
        if broken || ends {
            return None;
        }
        let record = record(&mut decoder);
        // Where a record ends badly, nobody knows where the next begins.
        broken = record.is_err();
        Some(record.map_err(|error| -> Undecodable { bad(error.to_string()) }))
    });
    Some(resolve(heard, records))
}

fn record(decoder: &mut Decoder<'_>) -> Result<Record, Error> {
    let fields = decoder.map()?;
    let mut record = Record::default();
    for position in 0.. {
        let ends = match fields {
            Some(fields) => position >= fields,
            None => decoder.datatype()? == Type::Break,
        };
        if ends {
            break;
        }
        if position >= MAX_FIELDS as u64 {
            return Err(Error::message("a record has too many fields"));
        }
        field(decoder, &mut record)?;
    }
    if fields.is_none() {
        decoder.skip()?;
    }
    Ok(record)
}

fn field(decoder: &mut Decoder<'_>, record: &mut Record) -> Result<(), Error> {
    if matches!(decoder.datatype()?, Type::String) {
        let label = decoder.str()?;
        if label.ends_with('_') {
            record.unknown = Some(label.to_owned());
        }
        return decoder.skip();
    }
    match decoder.i64()? {
        -1 => record.base_version = Some(number(decoder)?),
        -2 => record.base_name = Some(decoder.str()?.to_owned()),
        -3 => record.base_time = Some(number(decoder)?),
        -4 => record.base_unit = Some(decoder.str()?.to_owned()),
        -5 => record.base_value = Some(number(decoder)?),
        -6 => record.base_sum = Some(number(decoder)?),
        0 => record.name = Some(decoder.str()?.to_owned()),
        1 => record.unit = Some(decoder.str()?.to_owned()),
        2 => record.value = Some(Value::Number(number(decoder)?)),
        3 => record.value = Some(Value::Text(decoder.str()?.to_owned())),
        4 => record.value = Some(Value::Boolean(decoder.bool()?)),
        5 => record.sum = Some(number(decoder)?),
        6 => record.time = Some(number(decoder)?),
        8 => return Err(Error::message("a record holds bytes, which are no value here")),
        _ => decoder.skip()?,
    }
    Ok(())
}

/// Reads an integer, a float of any size, or a decimal fraction (tag 4), as section 6 allows.
fn number(decoder: &mut Decoder<'_>) -> Result<f64, Error> {
    match decoder.datatype()? {
        Type::F16 => decoder.f16().map(f64::from),
        Type::F32 => decoder.f32().map(f64::from),
        Type::F64 => decoder.f64(),
        Type::Tag if decoder.tag()?.as_u64() == 4 => {
            if decoder.array()? != Some(2) {
                return Err(Error::message("a decimal fraction is a pair"));
            }
            let exponent = i32::try_from(decoder.i64()?).unwrap_or(i32::MAX);
            // Through text, as a power of ten is not exact: 273.15 is 273.15.
            let text = format!("{}e{exponent}", i128::from(decoder.int()?));
            text.parse().map_err(|_| Error::message("a decimal fraction is no number"))
        }
        _ => Ok(i128::from(decoder.int()?) as f64),
    }
}
