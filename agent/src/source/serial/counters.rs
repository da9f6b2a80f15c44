//! What a serial line did, counted for the operator.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::decode::frame::FrameCounts;

/// Counts since the source started; they go on over reopenings.
#[derive(Debug, Default)]
pub struct SerialCounters {
    openings: AtomicU64,
    idle: AtomicU64,
    bytes: AtomicU64,
    frames: AtomicU64,
    resynchronisations: AtomicU64,
    checksum_errors: AtomicU64,
    malformed: AtomicU64,
    garbage_bytes: AtomicU64,
    unreadable: AtomicU64,
    withheld: AtomicU64,
    unanswered: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SerialCounts {
    /// How often the port was opened; all but the first are reopenings.
    pub openings: u64,
    /// How often it was closed because nothing came.
    pub idle: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Intact frames.
    pub frames: u64,
    /// How often an intact frame followed after garbage.
    pub resynchronisations: u64,
    /// Frames whose checksum did not hold.
    pub checksum_errors: u64,
    /// Frames that were too long or wrongly packed.
    pub malformed: u64,
    /// Bytes that belong to no frame.
    pub garbage_bytes: u64,
    /// Frames, intact or not, that hold no record.
    pub unreadable: u64,
    /// Those of them that were too many to be kept as dead letters.
    pub withheld: u64,
    /// Questions that were not answered.
    pub unanswered: u64,
}

impl SerialCounts {
    /// Returns the counts with their names in the status.
    #[must_use]
    pub fn to_pairs(self) -> Vec<(&'static str, u64)> {
        vec![
            ("openings", self.openings),
            ("idle", self.idle),
            ("bytes", self.bytes),
            ("frames", self.frames),
            ("resynchronisations", self.resynchronisations),
            ("checksumErrors", self.checksum_errors),
            ("malformed", self.malformed),
            ("garbageBytes", self.garbage_bytes),
            ("unreadable", self.unreadable),
            ("withheld", self.withheld),
            ("unanswered", self.unanswered),
        ]
    }
}

impl SerialCounters {
    /// Returns all counts.
    #[must_use]
    pub fn counts(&self) -> SerialCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SerialCounts {
            openings: read(&self.openings),
            idle: read(&self.idle),
            bytes: read(&self.bytes),
            frames: read(&self.frames),
            resynchronisations: read(&self.resynchronisations),
            checksum_errors: read(&self.checksum_errors),
            malformed: read(&self.malformed),
            garbage_bytes: read(&self.garbage_bytes),
            unreadable: read(&self.unreadable),
            withheld: read(&self.withheld),
            unanswered: read(&self.unanswered),
        }
    }

    pub(super) fn count_opening(&self) {
        add(&self.openings, 1);
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        add(&self.bytes, bytes as u64);
    }

    pub(super) fn count_idle(&self) {
        add(&self.idle, 1);
    }

    pub(super) fn count_unanswered(&self) {
        add(&self.unanswered, 1);
    }

    pub(super) fn count_unreadable(&self, withheld: bool) {
        add(&self.unreadable, 1);
        add(&self.withheld, u64::from(withheld));
    }

    /// Takes over what a framer counted; it never counts down.
    pub(super) fn set_frames(&self, counts: FrameCounts) {
        self.frames.store(counts.frames, Ordering::Relaxed);
        self.resynchronisations.store(counts.resynchronisations, Ordering::Relaxed);
        self.checksum_errors.store(counts.checksum_errors, Ordering::Relaxed);
        self.malformed.store(counts.malformed, Ordering::Relaxed);
        self.garbage_bytes.store(counts.garbage_bytes, Ordering::Relaxed);
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}
