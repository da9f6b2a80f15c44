//! What is wrong with a configuration, all of it, in words for the operator.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it was written: file and line, or the environment variable.
    pub place: String,
    /// The key, such as `http.listen`; empty where the file is no TOML at all.
    pub key: String,
    /// A clause for the operator.
    pub reason: String,
}

/// Everything that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Tells whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes through the faults in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    pub(super) fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            let colon = if fault.key.is_empty() { "" } else { ": " };
            write!(f, "{line_break}  {}: {}{colon}{}", fault.place, fault.key, fault.reason)?;
        }
        Ok(())
    }
}
