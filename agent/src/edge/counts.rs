//! What was withheld, by reason.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Readings that were taken in and, as the operator configured, not kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Withheld {
    /// Within the deadband of the last report.
    pub unchanged: u64,
    /// Sooner after the last report than the least interval.
    pub too_soon: u64,
    /// Above the series' rate.
    pub rate_limit: u64,
    /// Of a series beyond the most.
    pub series_limit: u64,
    /// Not credible, and more than are kept as dead letters.
    pub out_of_range: u64,
}

impl Withheld {
    /// Returns the sum, which is what the books count as rejected.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.unchanged + self.too_soon + self.rate_limit + self.series_limit + self.out_of_range
    }

    /// Adds another's counts.
    pub const fn add(&mut self, other: &Self) {
        self.unchanged += other.unchanged;
        self.too_soon += other.too_soon;
        self.rate_limit += other.rate_limit;
        self.series_limit += other.series_limit;
        self.out_of_range += other.out_of_range;
    }
}

/// The counts since the start, shared with the status.
#[derive(Debug, Default)]
pub struct WithheldCounts {
    unchanged: AtomicU64,
    too_soon: AtomicU64,
    rate_limit: AtomicU64,
    series_limit: AtomicU64,
    out_of_range: AtomicU64,
}

impl WithheldCounts {
    /// Returns the counts at this moment.
    #[must_use]
    pub fn now(&self) -> Withheld {
        Withheld {
            unchanged: self.unchanged.load(Ordering::Relaxed),
            too_soon: self.too_soon.load(Ordering::Relaxed),
            rate_limit: self.rate_limit.load(Ordering::Relaxed),
            series_limit: self.series_limit.load(Ordering::Relaxed),
            out_of_range: self.out_of_range.load(Ordering::Relaxed),
        }
    }

    pub(super) fn add(&self, withheld: &Withheld) {
        self.unchanged.fetch_add(withheld.unchanged, Ordering::Relaxed);
        self.too_soon.fetch_add(withheld.too_soon, Ordering::Relaxed);
        self.rate_limit.fetch_add(withheld.rate_limit, Ordering::Relaxed);
        self.series_limit.fetch_add(withheld.series_limit, Ordering::Relaxed);
        self.out_of_range.fetch_add(withheld.out_of_range, Ordering::Relaxed);
    }
}
