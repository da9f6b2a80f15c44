//! What an agent says of itself, so that the centre can check its books.
//!
//! `POST /api/v1/agents/report`, JSON, with the agent's token; answered 204. Sent at start and every few seconds.

use serde::{Deserialize, Serialize};

use crate::batch::GapReason;
use crate::id::AgentId;
use crate::reading::TimestampMicros;

/// Where the records of one buffer epoch went. Conservation: `received` is the sum of all the others.
///
/// A record is a reading, or a message that could not become one. Counted durably with the commits, so that the
/// sum holds across every crash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordCounts {
    /// Everything that was taken in and acknowledged.
    pub received: u64,
    /// Readings that the hub has confirmed.
    pub stored: u64,
    /// Readings that wait on the gateway's disk.
    pub buffered: u64,
    /// Messages and readings set aside with a reason.
    pub dead_lettered: u64,
    /// Readings that the quota dropped, or that a damaged segment held.
    pub evicted: u64,
    /// Records refused by a limit after they were taken in.
    pub rejected: u64,
}

impl RecordCounts {
    /// Tells whether every record is accounted for exactly once.
    #[must_use]
    pub const fn is_balanced(&self) -> bool {
        self.received == self.stored + self.buffered + self.dead_lettered + self.evicted + self.rejected
    }
}

/// The state of one agent at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentReport {
    /// The gateway.
    pub agent: AgentId,
    /// The program's version.
    pub version: String,
    /// The life of its buffer, as 16 hexadecimal digits.
    pub epoch: String,
    /// When the report was made, by the gateway's clock.
    pub time: TimestampMicros,
    /// When the program started, by the gateway's clock.
    pub started_at: TimestampMicros,
    /// The conservation sum since the epoch began.
    pub counts: RecordCounts,
    /// Bytes that the buffer takes on disk.
    pub buffer_bytes: u64,
    /// Bytes that it may take.
    pub buffer_quota_bytes: u64,
    /// When the oldest reading that the hub has not confirmed arrived; none with an empty buffer.
    pub oldest_buffered_at: Option<TimestampMicros>,
    /// Readings taken in per second, over the last ten seconds.
    pub received_per_second: f64,
    /// Readings confirmed by the hub per second, over the last ten seconds.
    pub stored_per_second: f64,
    /// What the operator should know, such as `disk full: refusing new readings`.
    pub faults: Vec<String>,
    /// Spans of which readings were lost at the gateway, oldest first, at most [`MAX_MISSING`].
    #[serde(default)]
    pub missing: Vec<MissingSpan>,
}

/// The most spans in a report; of more, the newest.
pub const MAX_MISSING: usize = 32;

/// Readings that were taken in at the gateway and never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingSpan {
    /// When the first of them may have arrived, by the gateway's clock.
    pub from: TimestampMicros,
    /// When the last of them may have arrived.
    pub to: TimestampMicros,
    /// How many.
    pub readings: u64,
    /// Why.
    pub reason: GapReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_balance_only_when_every_record_is_somewhere() {
        let mut counts =
            RecordCounts { received: 10, stored: 6, buffered: 3, dead_lettered: 1, ..Default::default() };
        assert!(counts.is_balanced());
        counts.received += 1;
        assert!(!counts.is_balanced());
    }
}
