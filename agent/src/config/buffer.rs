//! `[buffer]`: what the gateway's disk keeps until the hub has it.

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;

const MIB: u64 = 1 << 20;
const LEAST_QUOTA_BYTES: u64 = 64_000;
const LEAST_SEGMENT_BYTES: u64 = 16_000;

/// What happens when the buffer has reached its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QuotaPolicy {
    /// The oldest readings make room; they are counted as evicted and declared to the hub.
    #[default]
    DropOldest,
    /// New readings are not acknowledged until there is room.
    Block,
}

/// The disk buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferSettings {
    /// The directory. Default: `/var/lib/penstock/agent`.
    pub dir: PathBuf,
    /// The most that it may take on disk. Default: 1 GiB.
    pub quota_bytes: u64,
    /// Default: drop the oldest.
    pub policy: QuotaPolicy,
    /// The size at which a segment is closed; disk is given back by whole segments, and open ones are in memory. Default:
    /// 4 MiB, and never above a quarter of the quota.
    pub segment_bytes: u64,
    /// Room that must stay free on the file system; below it nothing is accepted. Default: 64 MiB, and never above
    /// the quota. 4 MiB stay free in any case.
    pub min_free_bytes: u64,
    /// The most that dead letters may take; the oldest make room. Default: 16 MiB, and never above the quota or, where
    /// that is smaller, 1 MiB.
    pub dead_letter_bytes: u64,
    /// How many messages may wait for a commit; more are withheld at their source. Default: 1,024.
    pub queue_messages: usize,
    /// How long a commit waits for more readings, and their acknowledgements with it: fewer writes to a flash disk.
    /// Default: 0.
    pub commit_linger: Duration,
    /// How long the hub must have confirmed nothing before closed segments are packed into their frozen form; none:
    /// never. Default: 60 s.
    pub freeze_after: Option<Duration>,
    /// A flush without an answer for this long ends the process, for its supervisor to start anew. Default: 30 s.
    pub flush_timeout: Duration,
}

impl Default for BufferSettings {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("/var/lib/penstock/agent"),
            quota_bytes: 1024 * MIB,
            policy: QuotaPolicy::DropOldest,
            segment_bytes: 4 * MIB,
            min_free_bytes: 64 * MIB,
            dead_letter_bytes: 16 * MIB,
            queue_messages: 1024,
            commit_linger: Duration::ZERO,
            freeze_after: Some(Duration::from_secs(60)),
            flush_timeout: Duration::from_secs(30),
        }
    }
}

pub(super) fn read(section: &mut Section<'_>) -> BufferSettings {
    let default = BufferSettings::default();
    let dir = PathBuf::from(section.text("dir", &default.dir.to_string_lossy()));
    if dir.as_os_str().is_empty() {
        section.fault("dir", "must not be empty");
    }
    let quota_bytes = section.bytes("quota_bytes", default.quota_bytes, LEAST_QUOTA_BYTES..=u64::MAX >> 1);
    let words = [("drop_oldest", QuotaPolicy::DropOldest), ("block", QuotaPolicy::Block)];
    let policy = section.choice("policy", default.policy, &words);
    let segment_bytes =
        section.bytes("segment_bytes", default.segment_bytes, LEAST_SEGMENT_BYTES..=1024 * MIB);
    BufferSettings {
        dir,
        quota_bytes,
        policy,
        segment_bytes: segment_bytes.min(quota_bytes / 4),
        min_free_bytes: section.bytes(
            "min_free_bytes",
            default.min_free_bytes.min(quota_bytes),
            0..=u64::MAX >> 1,
        ),
        dead_letter_bytes: section.bytes(
            "dead_letter_bytes",
            default.dead_letter_bytes.min(quota_bytes.max(MIB)),
            MIB..=u64::MAX >> 1,
        ),
        queue_messages: as_usize(section.number(
            "queue_messages",
            default.queue_messages as u64,
            1..=100_000,
        )),
        commit_linger: Duration::from_millis(section.number("commit_linger_ms", 0, 0..=10_000)),
        freeze_after: match section.number("freeze_after_seconds", 60, 0..=86_400) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        },
        flush_timeout: Duration::from_secs(section.number(
            "flush_timeout_seconds",
            default.flush_timeout.as_secs(),
            1..=3600,
        )),
    }
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
