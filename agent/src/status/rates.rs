//! Readings per second over the last ten seconds, from counts that only grow.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use penstock_shared::report::RecordCounts;

const SPAN: Duration = Duration::from_secs(10);

/// The counts of the last ten seconds.
#[derive(Debug, Default)]
pub(super) struct Rates {
    samples: VecDeque<(Instant, u64, u64)>,
}

impl Rates {
    /// Takes a sample and returns received and stored per second.
    pub(super) fn note(&mut self, now: Instant, counts: &RecordCounts) -> (f64, f64) {
        self.samples.push_back((now, counts.received, counts.stored));
        // The newest sample that is old enough stays as the base.
        while self.samples.len() > 2 && now - self.samples[1].0 >= SPAN {
            self.samples.pop_front();
        }
        let (since, received, stored) = self.samples[0];
        let seconds = (now - since).as_secs_f64();
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        let per_second = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        (per_second(counts.received, received), per_second(counts.stored, stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_looks_back_ten_seconds_and_no_further() {
        let mut rates = Rates::default();
        let start = Instant::now();
        let mut rate = 0.0;
        for second in 0..=30_u64 {
            let received = if second <= 15 { 1000 * second } else { 15_000 };
            let counts = RecordCounts { received, ..RecordCounts::default() };
            rate = rates.note(start + Duration::from_secs(second), &counts).0;
            if second == 10 {
                assert!((rate - 1000.0).abs() < 1.0, "{rate}");
            }
        }
        assert_eq!(rate, 0.0);
    }
}
