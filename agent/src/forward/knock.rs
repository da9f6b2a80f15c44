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
/// So many attempts hang at most, each with a socket of its own.
const MOST_HANGING: usize = 10;

/// Returns as soon as one of the attempts that `knock` begins is answered. The first is begun after `pause`.
pub(super) async fn until_answered<A>(pause: Duration, mut knock: impl FnMut() -> A)
where
    A: Future<Output = bool>,
{
    let mut hanging = FuturesUnordered::new();
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + pause, EVERY);
    loop {
        // Both branches are cancel-safe: a timer, and attempts that stay in their set.
        tokio::select! {
            _ = ticks.tick() => {
                if hanging.len() < MOST_HANGING {
                    hanging.push(knock());
                }
            }
            Some(is_answered) = hanging.next() => {
                if is_answered {
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
    async fn only_so_many_attempts_hang() {
        let hanging = Cell::new(0);
        let most = Cell::new(0);
        let knocking = until_answered(PAUSE, || async {
            hanging.set(hanging.get() + 1);
            most.set(most.get().max(hanging.get()));
            tokio::time::sleep(Duration::from_secs(60)).await;
            hanging.set(hanging.get() - 1);
            false
        });
        assert!(tokio::time::timeout(Duration::from_secs(300), knocking).await.is_err());
        assert_eq!(most.get(), MOST_HANGING);
    }
}
