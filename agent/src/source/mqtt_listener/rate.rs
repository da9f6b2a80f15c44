//! Slows a connection down to its limit. Pure arithmetic: it is told the time and returns how long to wait.

use std::time::Duration;

/// How much a connection may save up while it is quiet.
const BURST: Duration = Duration::from_secs(1);

/// The pace of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the next message is due, on the caller's clock.
    due: Duration,
}

impl Pace {
    /// Sets the limit; 0 is none.
    pub(super) fn new(messages_per_second: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(messages_per_second).unwrap_or_default();
        Self { interval, due: Duration::ZERO }
    }

    /// Counts a message at `now` and returns how long it must wait.
    pub(super) fn wait(&mut self, now: Duration) -> Duration {
        if self.interval.is_zero() {
            return Duration::ZERO;
        }
        self.due = self.due.max(now.saturating_sub(BURST)) + self.interval;
        self.due.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_what_comes_faster_than_the_limit_waits() {
        let mut pace = Pace::new(10);
        let start = Duration::from_secs(100);
        let waits: Vec<_> = (0..13).map(|_| pace.wait(start).as_millis()).collect();
        assert_eq!(waits[..10], [0; 10]);
        assert_eq!(waits[10..], [100, 200, 300]);
        assert_eq!(pace.wait(start + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut pace = Pace::new(0);
        assert!((0..1000).all(|_| pace.wait(Duration::ZERO).is_zero()));
    }
}
