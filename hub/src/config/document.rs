//! A TOML document from which sections take their keys; what nobody takes is a fault.
//!
//! Taking keys one by one, instead of deserialising a struct, is what lets every fault be reported and not only the
//! first. This module must not know any key.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::faults::{Fault, Faults};

/// What is left of the document, and what was wrong so far.
pub(super) struct Document {
    file: String,
    text: String,
    root: Table,
    /// Overridden key → environment variable.
    overridden: BTreeMap<String, String>,
    known_keys: BTreeSet<String>,
    faults: Faults,
}

/// One table of the document. What is left in it when it is dropped is unknown, and a fault.
pub(super) struct Section<'a> {
    document: &'a mut Document,
    path: &'static str,
    table: Table,
}

impl Document {
    pub(super) fn empty() -> Self {
        Self {
            file: String::new(),
            text: String::new(),
            root: Table::new(),
            overridden: BTreeMap::new(),
            known_keys: BTreeSet::new(),
            faults: Faults::default(),
        }
    }

    pub(super) fn parse(
        file: &str,
        text: &str,
        prefix: &str,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Faults> {
        let mut document = Self { file: file.to_owned(), text: text.to_owned(), ..Self::empty() };
        match text.parse::<Table>() {
            Ok(root) => document.root = root,
            Err(error) => {
                let line = error.span().map_or(1, |span| line_at(text, span.start));
                let reason = error.message().to_owned();
                document.faults.push(Fault { place: format!("{file}:{line}"), key: String::new(), reason });
                return Err(document.faults);
            }
        }
        for (name, value) in environment {
            let Some(path) = name.to_str().and_then(|name| name.strip_prefix(prefix)) else { continue };
            let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            document.overridden.insert(keys.join("."), format!("environment variable {prefix}{path}"));
            match value.to_str() {
                Some(value) => document.set(&keys, literal(value)),
                None => document.fault(&keys.join("."), "is not valid UTF-8"),
            }
        }
        Ok(document)
    }

    fn set(&mut self, keys: &[String], value: Value) {
        let Some((last, tables)) = keys.split_last() else { return };
        let mut table = &mut self.root;
        for key in tables {
            let entry = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = entry else {
                return self.fault(&keys.join("."), "lies under a key that is no table");
            };
            table = inner;
        }
        table.insert(last.clone(), value);
    }

    /// Takes the table at `path`, such as `mongodb.managed`. Take inner tables before their outer one.
    pub(super) fn section(&mut self, path: &'static str) -> Section<'_> {
        let table = match take_at(&mut self.root, path) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.fault(path, "must be a table");
                Table::new()
            }
        };
        Section { document: self, path, table }
    }

    /// Returns every fault, with those of tables that nobody asked for.
    pub(super) fn finish(mut self) -> Faults {
        let unknown: Vec<String> = self.root.keys().cloned().collect();
        for key in unknown {
            self.fault(&key, "unknown key");
        }
        self.faults
    }

    #[cfg(test)]
    pub(super) fn known_keys(&self) -> &BTreeSet<String> {
        &self.known_keys
    }

    fn fault(&mut self, key: &str, reason: impl Display) {
        let place = match self.overridden.get(key) {
            Some(variable) => variable.clone(),
            None => match line_of_key(&self.text, key) {
                Some(line) => format!("{}:{line}", self.file),
                None => self.file.clone(),
            },
        };
        self.faults.push(Fault { place, key: key.to_owned(), reason: reason.to_string() });
    }
}

impl Section<'_> {
    /// Takes a key of any type.
    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &str, default: T) -> T {
        self.document.known_keys.insert(format!("{}.{key}", self.path));
        let Some(value) = self.table.remove(key) else { return default };
        match value.try_into() {
            Ok(value) => value,
            Err(error) => {
                self.fault(key, error.to_string().trim());
                default
            }
        }
    }

    /// Takes a number that must lie in a range.
    pub(super) fn number<T>(&mut self, key: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: DeserializeOwned + PartialOrd + Display + Copy,
    {
        let value = self.take(key, default);
        if range.contains(&value) {
            return value;
        }
        self.fault(key, format!("must lie between {} and {}, is {value}", range.start(), range.end()));
        default
    }

    /// Takes a number of seconds.
    pub(super) fn seconds(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(key, default, range))
    }

    /// Takes a number of milliseconds.
    pub(super) fn millis(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(key, default, range))
    }

    /// Takes a text and makes something of it that can fail.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.take(key, default.to_owned());
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(key, format!("{error}, found {text:?}"));
                parse(default).ok()
            }
        }
    }

    /// Notes a fault of a key.
    pub(super) fn fault(&mut self, key: &str, reason: impl Display) {
        self.document.fault(&format!("{}.{key}", self.path), reason);
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for key in std::mem::take(&mut self.table).keys() {
            self.fault(key, "unknown key");
        }
    }
}

fn take_at(table: &mut Table, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => table.remove(path),
        Some((outer, rest)) => take_at(table.get_mut(outer)?.as_table_mut()?, rest),
    }
}

/// Reads an environment variable's value as a TOML value, else as the text that it is.
fn literal(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().filter(|table| table.len() == 1);
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Finds the line of a key of a plainly written file: `[table]` headers and `key = value` lines.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let mut table = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            table = format!("{}.", header.trim());
            if header.trim() == key {
                return Some(index + 1);
            }
        } else if let Some((name, _)) = line.split_once('=')
            && format!("{table}{}", name.trim()) == key
        {
            return Some(index + 1);
        }
    }
    None
}
