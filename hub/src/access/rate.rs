//! How often one caller may ask: a token bucket a caller, in bounded memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How many callers are remembered. Forgetting one gives it a full bucket, no more.
const MAX_CALLERS: usize = 10_000;

/// Counts the requests of each caller.
#[derive(Debug)]
pub struct RateLimiter {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    filled_at: Instant,
}

impl RateLimiter {
    /// Allows `per_second` requests on average, and `burst` at once after a pause.
    #[must_use]
    pub fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst, buckets: Mutex::new(HashMap::new()) }
    }

    /// Counts a request of `caller` and tells whether it is within the limit.
    #[must_use]
    pub fn allows(&self, caller: &str, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_CALLERS && !buckets.contains_key(caller) {
            buckets.retain(|_, bucket| self.refilled(bucket, now) < self.burst);
            if buckets.len() >= MAX_CALLERS {
                buckets.clear();
            }
        }
        let full = Bucket { left: self.burst, filled_at: now };
        let bucket = buckets.entry(caller.to_owned()).or_insert(full);
        bucket.left = self.refilled(bucket, now);
        bucket.filled_at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }

    fn refilled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        (bucket.left + seconds * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_caller_has_a_burst_and_then_its_rate_and_does_not_eat_anothers() {
        let limiter = RateLimiter::new(2.0, 3.0);
        let start = Instant::now();
        let at_once = (0..5).filter(|_| limiter.allows("one", start)).count();
        assert_eq!(at_once, 3);
        assert!(limiter.allows("other", start));
        let later = start + Duration::from_secs(1);
        assert_eq!((0..5).filter(|_| limiter.allows("one", later)).count(), 2);
    }
}
