//! Fields at fixed places.

use penstock_shared::reading::Value;

use crate::config::serial::{BinaryField, ByteOrder, FieldType};
use crate::decode::reason::Undecodable;
use crate::decode::{Reason, Sample};

pub(super) fn read(record: &[u8], fields: &[BinaryField]) -> Result<Vec<Sample>, Undecodable> {
    fields.iter().map(|field| read_field(record, field)).collect()
}

fn read_field(record: &[u8], field: &BinaryField) -> Result<Sample, Undecodable> {
    let end = field.offset + field.field_type.bytes();
    let Some(bytes) = record.get(field.offset..end) else {
        let detail = format!("{} bytes, but {} ends at {end}", record.len(), field.name);
        return Err(Undecodable::new(Reason::BadRecord, detail));
    };
    // Eight bytes, the most significant first, are room for every type.
    let mut wide = [0_u8; 8];
    for (place, byte) in wide.iter_mut().rev().zip(least_significant_first(bytes, field.order)) {
        *place = byte;
    }
    let number = scaled(raw(u64::from_be_bytes(wide), field.field_type), field.scale) + field.add;
    Ok(Sample::new(field.name.clone(), Value::Number(number)).with_unit(&field.unit))
}

fn least_significant_first(bytes: &[u8], order: ByteOrder) -> Vec<u8> {
    match order {
        ByteOrder::Little => bytes.to_vec(),
        ByteOrder::Big => bytes.iter().rev().copied().collect(),
    }
}

/// The casts cut to the width that was read, and take its sign.
fn raw(bits: u64, field_type: FieldType) -> f64 {
    match field_type {
        FieldType::U8 | FieldType::U16 | FieldType::U32 => bits as f64,
        FieldType::U64 => bits as f64,
        FieldType::I8 => f64::from(bits as u8 as i8),
        FieldType::I16 => f64::from(bits as u16 as i16),
        FieldType::I32 => f64::from(bits as u32 as i32),
        FieldType::I64 => bits as i64 as f64,
        FieldType::F32 => decimal(f32::from_bits(bits as u32)),
        FieldType::F64 => f64::from_bits(bits),
    }
}

/// Takes the shortest decimal of a float: a sensor's 21.3 is meant, not 21.299999237060547.
fn decimal(float: f32) -> f64 {
    float.to_string().parse().unwrap_or_else(|_| f64::from(float))
}

/// A scale of 0.1 is a division by ten: 3 × 0.1 is not 0.3 in binary, 3 / 10 is.
fn scaled(raw: f64, scale: f64) -> f64 {
    let divisor = (1.0 / scale).round();
    if scale.abs() < 1.0 && divisor.is_finite() && 1.0 / divisor == scale {
        raw / divisor
    } else {
        raw * scale
    }
}
