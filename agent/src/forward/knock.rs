//! Whether a hub that was not reached is there again.
//!
//! Where a link swallows what is sent, as radio links do, an attempt to connect hangs, and the kernel repeats it after 1, 3
//! and 7 seconds: a link that is back goes unnoticed for so long. So a fresh attempt is begun every time, beside those
//! that hang.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// A hub that is not reached is tried again this often: the newest reading waits for the next attempt.
const EVERY: Duration = super::core::RECONNECT_CAP;
/// So many attempts hang at most, each with a socket of its own; the oldest is given up for the next one.
const MOST_HANGING: u32 = 10;
/// Then it is tried for good, whatever came of knocking.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns as soon as one of the attempts that `knock` begins is answered, or after a minute. The first is begun after
/// `pause`.
pub(super) async fn until_answered<A>(pause: Duration, mut knock: impl FnMut() -> A)
where
    A: Future<Output = bool>,
{
    let mut hanging = FuturesUnordered::new();
    let begun = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval_at(begun + pause, EVERY);
    while begun.elapsed() < PATIENCE {
        // Both branches are cancel-safe: a timer, and attempts that stay in their set.
        tokio::select! {
            _ = ticks.tick() => hanging.push(tokio::time::timeout(EVERY * MOST_HANGING, knock())),
            Some(is_answered) = hanging.next() => {
                if is_answered == Ok(true) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(200);

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_does_not_keep_the_next_from_being_answered() {
        let begun = tokio::time::Instant::now();
        let knocks = Cell::new(0);
        until_answered(PAUSE, || {
            knocks.set(knocks.get() + 1);
            let swallowed = knocks.get() < 4;
            async move {
                tokio::time::sleep(if swallowed { Duration::from_secs(10) } else { Duration::ZERO }).await;
                !swallowed
            }
        })
        .await;
        assert_eq!(knocks.get(), 4);
        assert!(begun.elapsed() <= PAUSE + 3 * EVERY, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_attempts_hang_and_then_it_is_tried_for_good() {
        let (begun, most) = (Cell::new(0), Cell::new(0));
        let ended = Cell::new(0);
        until_answered(PAUSE, || async {
            begun.set(begun.get() + 1);
            let _counts = Ended(&ended);
            most.set(most.get().max(begun.get() - ended.get()));
            std::future::pending().await
        })
        .await;
        assert_eq!(begun.get(), 60);
        assert_eq!(most.get(), MOST_HANGING);
    }

    /// Counts an attempt that is given up.
    struct Ended<'a>(&'a Cell<u32>);

    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
}
