//! How many dead letters a source, or a series, may write: a broken one would fill their room and push out those of others.

use std::time::{Duration, Instant};

/// Enough to see what is wrong, and to keep every one of a line that fails now and then.
const BURST: u32 = 100;
/// One more is allowed this often.
const REFILL: Duration = Duration::from_secs(1);

/// A bucket of allowances.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    refilled: Instant,
}

impl Allowance {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { left: BURST, refilled: now }
    }

    /// Takes one, where there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.refilled).as_secs() / REFILL.as_secs();
        if earned > 0 {
            self.left = self.left.saturating_add(u32::try_from(earned).unwrap_or(BURST)).min(BURST);
            self.refilled = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_a_second() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let allowed = (0..500).filter(|_| allowance.take(start)).count();
        assert_eq!(allowed, 100);
        let later = (1..=10).filter(|second| {
            let now = start + REFILL * *second;
            let (first, second) = (allowance.take(now), allowance.take(now));
            first && !second
        });
        assert_eq!(later.count(), 10);
    }
}
