//! Tells work that hangs from work that is done, and from a part that has nothing to do.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const IDLE: u64 = 0;

/// A part's pulse: since when it has been at the piece of work in its hands. Clones are the same pulse.
///
/// A part that waits for work, or for the network, has nothing in its hands and is as well as one that works.
#[derive(Debug, Clone)]
pub struct Pulse {
    /// Milliseconds after `origin` at which the work began, plus one; [`IDLE`] when there is none.
    began: Arc<AtomicU64>,
    origin: Instant,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { began: Arc::new(AtomicU64::new(IDLE)), origin: Instant::now() }
    }
}

/// Work in hand, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Work<'a>(&'a Pulse);

impl Pulse {
    /// Notes that a piece of work begins; it ends when the answer is dropped. A part has one in its hands at a time.
    pub fn begin(&self) -> Work<'_> {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.began.store(now + 1, Ordering::Release);
        Work(self)
    }

    /// Counts `work` as one piece.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let _in_hand = self.begin();
        work.await
    }

    /// Tells whether no piece of work is in hand for longer than `limit`.
    #[must_use]
    pub fn beats_within(&self, limit: Duration) -> bool {
        let began = self.began.load(Ordering::Acquire);
        began == IDLE || self.origin.elapsed() <= Duration::from_millis(began - 1) + limit
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.began.store(IDLE, Ordering::Release);
    }
}
