//! The fields of a sentence, read strictly: an empty one is absent, anything else must have its form and range.

use std::ops::RangeInclusive;

use penstock_shared::reading::Value;

use crate::decode::reason::Undecodable;
use crate::decode::{Reason, Sample};

pub(super) struct Fields<'a>(Vec<&'a str>);

impl<'a> Fields<'a> {
    pub(super) const fn new(fields: Vec<&'a str>) -> Self {
        Self(fields)
    }

    /// Returns a field; one that is not there is empty.
    pub(super) fn text(&self, index: usize) -> &'a str {
        self.0.get(index).copied().unwrap_or_default()
    }

    pub(super) fn all(&self) -> &[&'a str] {
        &self.0
    }

    /// Reads a decimal number.
    pub(super) fn number(
        &self,
        index: usize,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, Undecodable> {
        let text = self.text(index);
        if text.is_empty() {
            return Ok(None);
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let has_form = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number: Option<f64> = text.parse().ok().filter(|number| has_form && range.contains(number));
        number.map(Some).ok_or_else(|| malformed(&format!("field {} is {text:?}", index + 1)))
    }

    /// Reads numbers that stand by themselves.
    pub(super) fn values(
        &self,
        wanted: &[(usize, &str, &str)],
        range: RangeInclusive<f64>,
    ) -> Result<Vec<Sample>, Undecodable> {
        let mut samples = Vec::new();
        for (index, name, unit) in wanted {
            let number = self.number(*index, range.clone())?;
            samples.extend(number.map(|number| Sample::new(*name, Value::Number(number)).with_unit(unit)));
        }
        Ok(samples)
    }

    /// Reads numbers that a letter follows, such as `12.5,M`.
    pub(super) fn marked_pair(
        &self,
        wanted: &[(usize, char, &str)],
        unit: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Vec<Sample>, Undecodable> {
        let mut samples = Vec::new();
        for (index, mark, name) in wanted {
            let Some(number) = self.number(*index, range.clone())? else { continue };
            let told = self.text(index + 1);
            if !told.chars().eq([*mark]) {
                return Err(malformed(&format!("{name} is marked {told:?}, not {mark:?}")));
            }
            samples.push(Sample::new(*name, Value::Number(number)).with_unit(unit));
        }
        Ok(samples)
    }
}

pub(super) fn malformed(what: &str) -> Undecodable {
    Undecodable::new(Reason::BadRecord, what.to_owned())
}
