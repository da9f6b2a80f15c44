//! Columns in their order.

use super::RecordParser;
use crate::decode::reason::Undecodable;
use crate::decode::{Reason, Sample};

impl RecordParser {
    pub(super) fn csv(
        &self,
        row: &str,
        columns: &[String],
        separator: char,
    ) -> Result<Vec<Sample>, Undecodable> {
        let cells = split(row, separator);
        if cells.len() != columns.len() {
            let detail = format!("{} columns where {} are named", cells.len(), columns.len());
            return Err(Undecodable::new(Reason::BadRecord, detail));
        }
        let named = columns.iter().zip(&cells).filter(|(name, cell)| !name.is_empty() && !cell.is_empty());
        let samples: Vec<Sample> =
            named.map(|(name, cell)| self.sample(name, cell)).collect::<Result<_, _>>()?;
        if samples.is_empty() {
            return Err(Undecodable::new(Reason::ValueMissing, "every named column is empty"));
        }
        Ok(samples)
    }
}

/// A separator between quotation marks is a part of its cell.
fn split(row: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in row.chars() {
        match (character, cells.last_mut()) {
            ('"', _) => quoted = !quoted,
            (other, _) if other == separator && !quoted => cells.push(String::new()),
            (other, Some(cell)) => cell.push(other),
            (_, None) => {}
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}
