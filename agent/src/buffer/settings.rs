//! What an operator may choose about the buffer, already validated.

use std::path::PathBuf;
use std::time::Duration;

/// What happens when the buffer reaches its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullPolicy {
    /// The oldest segment goes; what it held is counted and declared to the hub.
    DropOldest,
    /// New readings are refused, so that devices keep them.
    Block,
}

/// The buffer's place and bounds.
#[derive(Debug, Clone)]
pub struct BufferSettings {
    /// The directory, one for each agent.
    pub dir: PathBuf,
    /// The most bytes that segments may take on disk.
    pub quota_bytes: u64,
    /// What happens at the quota.
    pub policy: FullPolicy,
    /// The size at which a segment is closed and the next one begun; never more than a quarter of the quota.
    pub segment_bytes: u64,
    /// The room that must stay free on the file system.
    pub min_free_bytes: u64,
    /// The most bytes that dead letters may take on disk, the oldest go first.
    pub dead_letter_bytes: u64,
    /// How long the hub must have confirmed nothing before closed segments are frozen; none: never.
    pub freeze_after: Option<Duration>,
    /// The time after which a flush counts as hung, and the process ends for its supervisor to restart it.
    pub flush_timeout: Duration,
}

impl BufferSettings {
    /// Returns the default bounds for a buffer in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            quota_bytes: 1 << 30,
            policy: FullPolicy::DropOldest,
            segment_bytes: 4 << 20,
            min_free_bytes: 64 << 20,
            dead_letter_bytes: 16 << 20,
            freeze_after: Some(Duration::from_secs(60)),
            flush_timeout: Duration::from_secs(30),
        }
    }
}
