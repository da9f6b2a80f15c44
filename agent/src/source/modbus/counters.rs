//! What a bus did, counted for the operator.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the source started; they go on over reopenings.
#[derive(Debug, Default)]
pub struct ModbusCounters {
    pub(super) openings: AtomicU64,
    pub(super) answers: AtomicU64,
    pub(super) exceptions: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) garbled: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModbusCounts {
    /// How often the bus was opened; all but the first are reopenings.
    pub openings: u64,
    /// Requests that were answered with values.
    pub answers: u64,
    /// Requests that a slave refused.
    pub exceptions: u64,
    /// Requests that nobody answered in time.
    pub timeouts: u64,
    /// Requests that were answered with something else.
    pub garbled: u64,
}

impl ModbusCounts {
    /// Returns the counts with their names in the status.
    #[must_use]
    pub fn to_pairs(self) -> Vec<(&'static str, u64)> {
        vec![
            ("openings", self.openings),
            ("answers", self.answers),
            ("exceptions", self.exceptions),
            ("timeouts", self.timeouts),
            ("garbled", self.garbled),
        ]
    }
}

impl ModbusCounters {
    /// Returns all counts.
    #[must_use]
    pub fn counts(&self) -> ModbusCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ModbusCounts {
            openings: read(&self.openings),
            answers: read(&self.answers),
            exceptions: read(&self.exceptions),
            timeouts: read(&self.timeouts),
            garbled: read(&self.garbled),
        }
    }
}

/// Counts one more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
