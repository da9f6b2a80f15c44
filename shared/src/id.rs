//! Identifiers and sequence numbers, each a type of its own so that they cannot be mistaken for one another.
//!
//! This module must not know what a reading is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest agent id, in bytes: it prefixes every source and stands in every ledger key.
pub const MAX_AGENT_ID_BYTES: usize = 64;

/// Names a gateway. One to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentId(String);

/// Says why a text is no agent id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAgentId {
    /// The text has no characters, or more than [`MAX_AGENT_ID_BYTES`].
    #[error("an agent id has 1 to 64 characters, this one has {0}")]
    Length(usize),
    /// The text has a character outside the allowed set.
    #[error("an agent id consists of letters, digits, '.', '_' and '-'; found {0:?}")]
    Character(char),
}

impl AgentId {
    /// Validates `text` as an agent id.
    ///
    /// # Errors
    /// When the text is empty, too long or has a character outside `A-Z a-z 0-9 . _ -`.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidAgentId> {
        let text = text.into();
        if text.is_empty() || text.len() > MAX_AGENT_ID_BYTES {
            return Err(InvalidAgentId::Length(text.len()));
        }
        match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
            Some(character) => Err(InvalidAgentId::Character(character)),
            None => Ok(Self(text)),
        }
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AgentId {
    type Error = InvalidAgentId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl FromStr for AgentId {
    type Err = InvalidAgentId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl From<AgentId> for String {
    fn from(id: AgentId) -> Self {
        id.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells one life of a gateway's buffer from the next: drawn at random when a buffer is created.
///
/// Written as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Draws a fresh epoch from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Returns the epoch under which the same buffer sends the commits that overtake its backlog, and back.
    #[must_use]
    pub const fn other_lane(self) -> Self {
        Self(self.0 ^ (1 << 63))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// Numbers the commits of one epoch without gaps; the first is 1, and 0 means 'before the first'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct CommitNumber(pub u64);

impl CommitNumber {
    /// Stands before the first commit of an epoch.
    pub const NONE: Self = Self(0);

    /// Returns the number that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the number before this one; [`Self::NONE`] stays itself.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for CommitNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_id_is_checked_where_it_is_made() {
        assert!(AgentId::new("gw-plant1.hall_2").is_ok());
        assert_eq!(AgentId::new(""), Err(InvalidAgentId::Length(0)));
        assert_eq!(AgentId::new("a/b"), Err(InvalidAgentId::Character('/')));
        assert!(serde_json::from_str::<AgentId>("\"a b\"").is_err());
    }

    #[test]
    fn an_epoch_reads_back_what_it_shows() {
        let epoch = Epoch(0x00ab_cdef_0000_0001);
        assert_eq!(epoch.to_string(), "00abcdef00000001");
        assert_eq!(epoch.to_string().parse(), Ok(epoch));
    }
}
