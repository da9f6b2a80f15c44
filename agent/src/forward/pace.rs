//! How fast the backlog follows while live data overtakes it: as fast as the hub grants. Pure.

use std::time::{Duration, Instant};

use penstock_shared::answer::BacklogGrant;

/// No grant keeps a backlog waiting for longer than this: the next answer brings another one.
const LONGEST: Duration = Duration::from_secs(10);

/// When the next batch of the backlog may go.
#[derive(Debug)]
pub(super) struct Pace {
    readings_per_second: Option<u32>,
    due: Instant,
}

impl Pace {
    /// No grant is known yet, the first batch may go at once.
    pub(super) const fn new(now: Instant) -> Self {
        Self { readings_per_second: None, due: now }
    }

    /// Takes note of what the hub grants from now on.
    pub(super) fn grant(&mut self, grant: BacklogGrant) {
        self.readings_per_second = Some(grant.readings_per_second.max(1));
    }

    /// Takes note that so many readings of the backlog were sent.
    pub(super) fn sent(&mut self, readings: usize, now: Instant) {
        let wait = self.readings_per_second.map_or(Duration::ZERO, |per_second| {
            Duration::from_secs_f64(readings as f64 / f64::from(per_second)).min(LONGEST)
        });
        self.due = self.due.max(now - wait.min(now.duration_since(self.due))) + wait;
    }

    /// Returns when the next batch may go.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_each_other_at_the_granted_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.sent(8_000, start);
        assert_eq!(pace.due(), start, "nothing is granted yet, nothing is held back");
        pace.grant(BacklogGrant { readings_per_second: 16_000 });
        let mut now = start;
        for _ in 0..10 {
            pace.sent(8_000, now);
            now = pace.due();
        }
        assert_eq!(now, start + Duration::from_secs(5));
    }

    #[test]
    fn a_pause_is_not_made_up_for_by_a_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.grant(BacklogGrant { readings_per_second: 1_000 });
        let later = start + Duration::from_secs(100);
        pace.sent(1_000, later);
        assert!(pace.due() >= later);
        pace.sent(1_000, later);
        assert!(pace.due() >= later + Duration::from_secs(1));
    }

    #[test]
    fn no_grant_is_so_small_that_the_backlog_stands_still() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.grant(BacklogGrant { readings_per_second: 0 });
        pace.sent(8_000, start);
        assert_eq!(pace.due(), start + LONGEST);
    }
}
