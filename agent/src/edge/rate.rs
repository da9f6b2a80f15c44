//! A bound on the readings per second of one series: a token bucket with room for one second.

use std::time::Instant;

/// What a series may still send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// Readings; none until the first one shows how large the bucket is.
    left: Option<f64>,
    at: Instant,
}

impl Allowance {
    pub(super) const fn full(now: Instant) -> Self {
        Self { left: None, at: now }
    }

    /// Takes one reading of at most `rate` per second; false when there is none left.
    pub(super) fn take(&mut self, rate: u64, now: Instant) -> bool {
        let rate = rate as f64;
        let refill = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        let left = self.left.map_or(rate, |left| (left + refill).min(rate));
        self.at = now;
        let is_enough = left >= 1.0;
        self.left = Some(if is_enough { left - 1.0 } else { left });
        is_enough
    }
}
