//! From a frame's record to samples: text of several shapes, NMEA 0183, binary fields.
//!
//! Pure: no panic whatever the bytes. A record is taken whole or not at all: where one value cannot be read, the others
//! are not to be trusted. This module must not know how the record was framed.

mod binary;
mod csv;
mod json;
mod nmea;
mod number;
mod words;

use penstock_shared::reading::{MAX_TEXT_BYTES, Value};

use crate::config::serial::{RecordFormat, RecordSettings};
use crate::decode::reason::Undecodable;
use crate::decode::{MAX_KEPT_PAYLOAD_BYTES, MAX_VALUES, Reason, Sample, Unreadable};

/// Reads the records of one line.
#[derive(Debug)]
pub struct RecordParser {
    settings: RecordSettings,
}

impl RecordParser {
    /// Makes a parser.
    #[must_use]
    pub const fn new(settings: RecordSettings) -> Self {
        Self { settings }
    }

    /// Reads one record. There may be nothing in it, such as in an NMEA sentence of another kind.
    ///
    /// # Errors
    /// When it does not have the shape that is configured.
    pub fn parse(&self, record: &[u8]) -> Result<Vec<Sample>, Unreadable> {
        let read = self.read(record).and_then(|samples| {
            if samples.len() > MAX_VALUES {
                let detail = format!("{} values, at most {MAX_VALUES} are taken", samples.len());
                return Err(Undecodable::new(Reason::TooManyValues, detail));
            }
            Ok(samples)
        });
        read.map_err(|fault| Unreadable {
            reason: fault.reason,
            detail: fault.detail.into_owned(),
            payload: record[..record.len().min(MAX_KEPT_PAYLOAD_BYTES)].to_vec(),
        })
    }

    fn read(&self, record: &[u8]) -> Result<Vec<Sample>, Undecodable> {
        match &self.settings.format {
            RecordFormat::Number { name } => Ok(vec![self.sample(name, text(record)?)?]),
            RecordFormat::Csv { columns, separator } => self.csv(text(record)?, columns, *separator),
            RecordFormat::Json { values, time, time_unit } => {
                self.json(record, values, time.as_ref(), *time_unit)
            }
            RecordFormat::KeyValue { columns } => self.key_value(text(record)?, columns),
            RecordFormat::Regex(pattern) => self.named_groups(text(record)?, pattern.regex()),
            RecordFormat::Nmea0183 => nmea::read(text(record)?).map(|samples| self.with_units(samples)),
            RecordFormat::Binary(fields) => {
                binary::read(record, fields).map(|samples| self.with_units(samples))
            }
        }
    }

    /// Makes a sample of what stands for `name`.
    fn sample(&self, name: &str, written: &str) -> Result<Sample, Undecodable> {
        let written = written.trim();
        if self.is_text(name) {
            if written.len() > MAX_TEXT_BYTES {
                let detail = format!("{name} is a text of {} bytes", written.len());
                return Err(Undecodable::new(Reason::TextTooLong, detail));
            }
            return Ok(Sample::new(name, Value::Text(written.to_owned())).with_unit(self.unit(name)));
        }
        let (value, unit) = number::read(name, written, self.unit(name))?;
        Ok(Sample::new(name, value).with_unit(unit))
    }

    fn with_units(&self, mut samples: Vec<Sample>) -> Vec<Sample> {
        for sample in &mut samples {
            if let Some(unit) = self.settings.units.get(&sample.name) {
                sample.unit = Some(unit.clone()).filter(|unit| !unit.is_empty());
            }
        }
        samples
    }

    fn is_text(&self, name: &str) -> bool {
        self.settings.texts.iter().any(|text| text == name)
    }

    fn unit(&self, name: &str) -> &str {
        self.settings.units.get(name).map_or("", String::as_str)
    }
}

fn text(record: &[u8]) -> Result<&str, Undecodable> {
    let text = std::str::from_utf8(record);
    text.map(str::trim).map_err(|error| Undecodable::new(Reason::NotUtf8, error.to_string()))
}

#[cfg(test)]
mod tests;
