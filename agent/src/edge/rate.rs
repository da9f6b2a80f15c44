//! A bound on the readings per second of one series: a token bucket with room for one second.

use penstock_shared::reading::TimestampMicros;

/// What a series may still send.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateAllowance {
    /// Readings; none until the first one shows how large the bucket is.
    left: Option<f64>,
    at: TimestampMicros,
}

impl RateAllowance {
    pub(super) const fn full() -> Self {
        Self { left: None, at: TimestampMicros(i64::MIN) }
    }

    /// Takes a reading of this time, of at most `rate` per second; false when there is none left. It is the reading's own
    /// time: a disk that stalls makes no device too fast. What is late is taken.
    pub(super) fn take(&mut self, rate: u64, now: TimestampMicros) -> bool {
        if now < self.at {
            return true;
        }
        let rate = rate as f64;
        let refill = now.0.saturating_sub(self.at.0) as f64 / 1e6 * rate;
        let left = self.left.map_or(rate, |left| (left + refill).min(rate));
        self.at = now;
        let is_enough = left >= 1.0;
        self.left = Some(if is_enough { left - 1.0 } else { left });
        is_enough
    }
}
