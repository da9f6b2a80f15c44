//! Until when this process may believe that it holds the lease, by its own monotonic clock.
//!
//! Counted from before the renewal was sent, so that it errs on the early side of the server's clock. The monotonic
//! clock goes on while a process is stopped, so that one that wakes up late knows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared by the stages of one session.
#[derive(Debug, Clone)]
pub(super) struct LeaseClock {
    duration: Duration,
    valid_until: Arc<Mutex<Instant>>,
}

impl LeaseClock {
    /// Starts before the lease is asked for.
    pub(super) fn start(duration: Duration) -> Self {
        Self { duration, valid_until: Arc::new(Mutex::new(Instant::now() + duration)) }
    }

    /// Extends the lease by a renewal that was sent at `sent` and has succeeded.
    pub(super) fn renewed(&self, sent: Instant) {
        let mut valid_until = self.valid_until.lock().unwrap_or_else(PoisonError::into_inner);
        *valid_until = (*valid_until).max(sent + self.duration);
    }

    /// Tells whether at least a third of the lease is left: enough to send something that must arrive within it.
    pub(super) fn may_send(&self) -> bool {
        let valid_until = *self.valid_until.lock().unwrap_or_else(PoisonError::into_inner);
        Instant::now() + self.duration / 3 <= valid_until
    }

    /// Returns how often to renew.
    pub(super) fn renewal_interval(&self) -> Duration {
        self.duration / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_renewal_does_not_extend_the_lease() {
        let clock = LeaseClock::start(Duration::from_secs(30));
        assert!(clock.may_send());
        let expired = LeaseClock::start(Duration::ZERO);
        expired
            .renewed(Instant::now().checked_sub(Duration::from_secs(1)).expect("an uptime above a second"));
        std::thread::yield_now();
        assert!(!LeaseClock { duration: Duration::from_secs(3), ..expired }.may_send());
    }
}
