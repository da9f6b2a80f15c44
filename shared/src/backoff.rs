//! How long to wait before the next attempt: exponential, capped, with full jitter.
//!
//! Formula: attempt n waits `uniform(base, min(cap, base · 2ⁿ))`, after "Exponential Backoff And Jitter"
//! (AWS Architecture Blog, 2015), kept above `base` so that a peer that refuses at once is not hammered.

use std::time::Duration;

/// The arithmetic of one retry loop; it does not sleep.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts with no failures. The first delay is `base`, none exceeds `cap`.
    #[must_use]
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, failures: 0 }
    }

    /// Counts a failure and returns how long to wait; `dice` is uniform in 0..1.
    pub fn next_delay(&mut self, dice: f64) -> Duration {
        let ceiling = self.base.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        let spread = ceiling.saturating_sub(self.base);
        (self.base + spread.mul_f64(dice.clamp(0.0, 1.0))).min(self.cap)
    }

    /// Forgets past failures after a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns how many attempts failed since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let delays: Vec<_> = (0..6).map(|_| backoff.next_delay(1.0).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next_delay(1.0).as_millis(), 100);
    }

    #[test]
    fn jitter_stays_between_base_and_ceiling_for_ever() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        for attempt in 0..200 {
            let delay = backoff.next_delay(f64::from(attempt % 10) / 10.0);
            assert!((Duration::from_millis(100)..=Duration::from_secs(30)).contains(&delay));
        }
    }
}
