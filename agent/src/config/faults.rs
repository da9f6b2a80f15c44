//! Collects what is wrong with a configuration, so that the operator sees all of it at once.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Certificates, DEFAULT_PATH};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file of this number as a whole; files are counted from 0 in the order in which they are read.
    File(usize),
    /// A line of a file.
    Line {
        /// The file's number.
        file: usize,
        /// From 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    origin: Origin,
    /// The full key, such as `buffer.quota_bytes`; empty when the file as a whole is meant.
    pub key: String,
    /// Why the value cannot stand.
    pub reason: String,
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigFaults {
    /// The files by their numbers.
    pub(super) files: Vec<PathBuf>,
    /// The faults in the order of the files.
    pub faults: Vec<Fault>,
}

impl Fault {
    pub(super) fn unreadable(file: usize, error: &std::io::Error) -> Self {
        Self { origin: Origin::File(file), key: String::new(), reason: format!("cannot be read: {error}") }
    }
}

impl ConfigFaults {
    fn name(&self, file: usize) -> std::path::Display<'_> {
        self.files.get(file).map_or(Path::new(DEFAULT_PATH), PathBuf::as_path).display()
    }
}

impl fmt::Display for ConfigFaults {
    /// One line a fault: `file:line: key: reason`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match &fault.origin {
                Origin::File(file) => write!(f, "{}: ", self.name(*file))?,
                Origin::Line { file, line } => write!(f, "{}:{line}: ", self.name(*file))?,
                Origin::Environment(name) => write!(f, "environment {name}: ")?,
            }
            if !fault.key.is_empty() {
                write!(f, "{}: ", fault.key)?;
            }
            f.write_str(&fault.reason)?;
        }
        Ok(())
    }
}

/// Faults while they are being found, and the keys that were asked for.
#[derive(Debug)]
pub(super) struct FaultLog {
    faults: Vec<Fault>,
    known_keys: std::collections::BTreeSet<String>,
    certificates: Certificates,
}

impl FaultLog {
    pub(super) const fn new(certificates: Certificates) -> Self {
        Self { faults: Vec::new(), known_keys: std::collections::BTreeSet::new(), certificates }
    }

    /// Tells how certificates are looked into.
    pub(super) const fn certificates(&self) -> Certificates {
        self.certificates
    }

    pub(super) fn add(&mut self, origin: Origin, key: impl Into<String>, reason: impl Into<String>) {
        self.faults.push(Fault { origin, key: key.into(), reason: reason.into() });
    }

    pub(super) fn note_key(&mut self, key: String) {
        self.known_keys.insert(key);
    }

    #[cfg(test)]
    pub(super) fn known_keys(&self) -> impl Iterator<Item = &str> {
        self.known_keys.iter().map(String::as_str)
    }

    pub(super) fn into_result<T>(mut self, files: Vec<PathBuf>, value: T) -> Result<T, ConfigFaults> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        self.faults.sort_by_key(|fault| match fault.origin {
            Origin::File(file) => (file, 0),
            Origin::Line { file, line } => (file, line),
            Origin::Environment(_) => (usize::MAX, 0),
        });
        Err(ConfigFaults { files, faults: self.faults })
    }
}
