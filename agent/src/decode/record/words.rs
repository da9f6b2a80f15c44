//! Text whose values have their names beside them, or are found by a pattern.

use super::RecordParser;
use crate::decode::reason::Undecodable;
use crate::decode::{Reason, Sample};

impl RecordParser {
    pub(super) fn key_value(&self, line: &str, columns: &[String]) -> Result<Vec<Sample>, Undecodable> {
        let mut samples = Vec::new();
        let pairs = line.split([' ', '\t', ',', ';']).filter(|pair| !pair.is_empty());
        for pair in pairs {
            let Some((name, written)) = pair.split_once(['=', ':']).filter(|(name, _)| is_name(name)) else {
                let detail = format!("{:?} is not of the form name=value", shown(pair));
                return Err(Undecodable::new(Reason::BadRecord, detail));
            };
            if columns.is_empty() || columns.iter().any(|column| column == name) {
                samples.push(self.sample(name, written)?);
            }
        }
        if samples.is_empty() {
            return Err(Undecodable::new(Reason::ValueMissing, "none of the names is there"));
        }
        Ok(samples)
    }

    pub(super) fn named_groups(
        &self,
        line: &str,
        pattern: &regex::Regex,
    ) -> Result<Vec<Sample>, Undecodable> {
        let Some(captures) = pattern.captures(line) else {
            return Err(Undecodable::new(Reason::BadRecord, "the pattern does not match"));
        };
        let named = pattern.capture_names().flatten();
        let found = named.filter_map(|name| Some((name, captures.name(name)?.as_str())));
        let samples: Vec<Sample> =
            found.map(|(name, written)| self.sample(name, written)).collect::<Result<_, _>>()?;
        if samples.is_empty() {
            return Err(Undecodable::new(Reason::ValueMissing, "none of the pattern's groups is there"));
        }
        Ok(samples)
    }
}

fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}
