//! What is said over the control socket: closed enums, a JSON line each.
//!
//! Program and agent are usually one file of one version; where an update lies between, an unknown request is answered
//! with an error and harms nothing.

use std::sync::Arc;

use penstock_shared::id::CommitNumber;
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use serde::{Deserialize, Serialize};

use crate::buffer::{Place, Quarantined, SegmentSummary, StoredCommit, Verified};
use crate::config::Pattern;
use crate::delivery::DeadLetter;
use crate::status::Status;
use crate::tap::TapFilter;

/// What an operator wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The status as it is now.
    Status,
    /// Readings as they come, until the connection is closed.
    Tap(TapWish),
    /// The newest dead letters below a number.
    DeadLetters {
        /// The number.
        before: u64,
        /// How many at most.
        limit: usize,
    },
    /// One dead letter.
    DeadLetter {
        /// Its number.
        number: u64,
    },
    /// Commit what a dead letter was read as, which removes it.
    ReplayLetter {
        /// Its number.
        number: u64,
        /// What it was read as.
        readings: Vec<SentReading>,
    },
    /// The buffer's segments.
    Segments,
    /// Whether every entry of a segment reads back.
    Verify {
        /// The segment's first commit.
        first: CommitNumber,
    },
    /// Some commits.
    Commits {
        /// Where.
        place: Place,
        /// From this one on.
        from: CommitNumber,
    },
    /// Commit a batch of an export, unless that was done.
    ReplayBatch {
        /// The hash of the export's id and the batch's number.
        batch: u64,
        /// Its readings.
        readings: Vec<SentReading>,
    },
}

/// A commit as it lies in the buffer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptCommit {
    /// Its number.
    pub number: CommitNumber,
    /// Whether the hub has it, or it is declared as never coming.
    pub is_settled: bool,
    /// Its readings.
    pub readings: Vec<SentReading>,
}

/// A reading whose number survives JSON to the bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentReading {
    series: Arc<Series>,
    time: TimestampMicros,
    value: SentValue,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SentValue {
    Bits(u64),
    Boolean(bool),
    Text(String),
}

/// A dead letter without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterSummary {
    /// Its number.
    pub number: u64,
    /// When it arrived.
    pub arrived_at: TimestampMicros,
    /// Where it came from.
    pub origin: String,
    /// Why it is no reading, in a word.
    pub reason: String,
    /// Why, in a sentence.
    pub detail: String,
    /// How long its payload is.
    pub payload_bytes: usize,
}

/// Which readings are wanted, as patterns with `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TapWish {
    /// Of which sources; none means all.
    pub source: Option<String>,
    /// Of which types; none means all.
    pub event_type: Option<String>,
}

/// What the agent says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Tap`], again and again.
    Readings {
        /// The readings, in their order.
        readings: Vec<Reading>,
        /// How many were passed over since the last, as the listener did not keep up.
        missed: u64,
    },
    /// To [`Request::DeadLetters`].
    DeadLetters {
        /// The letters, the oldest first.
        letters: Vec<LetterSummary>,
        /// How many there are before these.
        older: u64,
        /// What could not be read, and why.
        damaged: Vec<String>,
    },
    /// To [`Request::DeadLetter`].
    DeadLetter(Box<DeadLetter>),
    /// To [`Request::Segments`].
    Segments {
        /// The segments, the oldest first.
        segments: Vec<SegmentSummary>,
        /// Those that were set aside.
        quarantined: Vec<Quarantined>,
        /// What is wrong with the buffer at present.
        faults: Vec<String>,
    },
    /// To [`Request::Verify`].
    Verified(Verified),
    /// To [`Request::Commits`].
    Commits {
        /// The commits.
        commits: Vec<KeptCommit>,
        /// Where to go on; none at the end.
        next: Option<CommitNumber>,
        /// How many commits were passed over, as they do not read back.
        damaged: u64,
    },
    /// To requests that commit readings, where it had been done before.
    AlreadyCommitted,
    /// To requests that commit readings.
    Committed {
        /// The commit.
        commit: CommitNumber,
    },
    /// The request was not done.
    Refused {
        /// Why, in a sentence for the operator.
        reason: String,
    },
}

impl From<Reading> for SentReading {
    fn from(reading: Reading) -> Self {
        let value = match reading.value {
            Value::Number(number) => SentValue::Bits(number.to_bits()),
            Value::Boolean(state) => SentValue::Boolean(state),
            Value::Text(text) => SentValue::Text(text),
        };
        Self { series: reading.series, time: reading.time, value }
    }
}

impl From<SentReading> for Reading {
    fn from(sent: SentReading) -> Self {
        let value = match sent.value {
            SentValue::Bits(bits) => Value::Number(f64::from_bits(bits)),
            SentValue::Boolean(state) => Value::Boolean(state),
            SentValue::Text(text) => Value::Text(text),
        };
        Self { series: sent.series, time: sent.time, value }
    }
}

impl From<(StoredCommit, bool)> for KeptCommit {
    fn from((stored, is_settled): (StoredCommit, bool)) -> Self {
        let commit = stored.commit;
        let readings = commit.readings.into_iter().map(Into::into).collect();
        Self { number: commit.number, is_settled, readings }
    }
}

impl From<(u64, DeadLetter)> for LetterSummary {
    fn from((number, letter): (u64, DeadLetter)) -> Self {
        let DeadLetter { arrived_at, origin, reason, detail, payload } = letter;
        Self { number, arrived_at, origin, reason, detail, payload_bytes: payload.len() }
    }
}

impl TapWish {
    pub(super) fn filter(&self) -> TapFilter {
        let pattern = |text: &Option<String>| text.as_deref().map(Pattern::new).unwrap_or_default();
        TapFilter { source: pattern(&self.source), event_type: pattern(&self.event_type) }
    }
}
