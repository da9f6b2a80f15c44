//! What a program did, counted for the operator.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the source started.
#[derive(Debug, Default)]
pub struct CommandCounters {
    runs: AtomicU64,
    failures: AtomicU64,
    lines: AtomicU64,
    unreadable: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommandCounts {
    /// How often the program ended.
    pub runs: u64,
    /// How often it failed, or could not be started.
    pub failures: u64,
    /// Lines that were read.
    pub lines: u64,
    /// Lines of them that hold no record.
    pub unreadable: u64,
}

impl CommandCounts {
    /// Returns the counts with their names in the status.
    #[must_use]
    pub fn to_pairs(self) -> Vec<(&'static str, u64)> {
        vec![
            ("runs", self.runs),
            ("failures", self.failures),
            ("lines", self.lines),
            ("unreadable", self.unreadable),
        ]
    }
}

impl CommandCounters {
    /// Returns all counts.
    #[must_use]
    pub fn counts(&self) -> CommandCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CommandCounts {
            runs: read(&self.runs),
            failures: read(&self.failures),
            lines: read(&self.lines),
            unreadable: read(&self.unreadable),
        }
    }

    pub(super) fn count_run(&self, has_failed: bool) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(has_failed), Ordering::Relaxed);
    }

    pub(super) fn count_line(&self, is_unreadable: bool) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        self.unreadable.fetch_add(u64::from(is_unreadable), Ordering::Relaxed);
    }
}
