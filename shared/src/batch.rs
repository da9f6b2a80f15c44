//! The two grains: a commit is what one fsync made durable, a batch is consecutive commits on their way.

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, CommitNumber, Epoch};
use crate::reading::{Reading, TimestampMicros};

/// The readings that one fsync made durable at the gateway. May be empty: a commit of dead letters alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The commit's place in its epoch.
    pub number: CommitNumber,
    /// The readings in the order of their arrival; a reading's index here is part of its identity.
    pub readings: Vec<Reading>,
}

/// Why commits never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The quota's policy dropped the oldest.
    Evicted,
    /// A damaged segment was set aside.
    Quarantined,
    /// The hub asks for commits that it had confirmed earlier: its store was rolled back or replaced.
    TrimmedEarlier,
    /// The hub called the frame that carried them hopeless; they are in the gateway's dead letters.
    Refused,
    /// They come under the buffer's other epoch ([`Epoch::other_lane`]). Sent only to a hub that grants a backlog.
    OtherLane,
}

/// A run of commits that will never come, declared so that the hub does not wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first missing commit.
    pub first: CommitNumber,
    /// The last missing commit.
    pub last: CommitNumber,
    /// How many readings they held; 0 where a damaged segment no longer tells.
    pub readings: u64,
    /// Why they do not come.
    pub reason: GapReason,
}

/// What a batch says of itself, readable without unpacking its readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHeader {
    /// The gateway.
    pub agent: AgentId,
    /// The life of its buffer.
    pub epoch: Epoch,
    /// The first commit; (agent, epoch, first) is the batch's identity.
    pub first: CommitNumber,
    /// The last commit; `first..=last` has no gaps.
    pub last: CommitNumber,
    /// Missing runs just before `first`, oldest first, each ending where the next one starts.
    pub gaps: Vec<Gap>,
    /// How many readings the commits hold together.
    pub readings: u32,
    /// When the oldest reading arrived at the gateway, by the gateway's clock.
    pub received_at: TimestampMicros,
}

impl BatchHeader {
    /// Returns the commit before everything that this batch carries or declares missing.
    #[must_use]
    pub fn follows(&self) -> CommitNumber {
        self.gaps.first().map_or(self.first, |gap| gap.first).previous()
    }
}

/// Consecutive commits of one agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The gateway.
    pub agent: AgentId,
    /// The life of its buffer.
    pub epoch: Epoch,
    /// Missing runs just before the first commit.
    pub gaps: Vec<Gap>,
    /// When the oldest reading arrived at the gateway.
    pub received_at: TimestampMicros,
    /// At least one commit, numbered without gaps.
    pub commits: Vec<Commit>,
}
