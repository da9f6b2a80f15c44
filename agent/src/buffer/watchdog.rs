//! Notices a flush that never returns: sled can deadlock, and a disk can hang.
//!
//! Nothing inside the process can unblock such a flush; a restart can, and reopening is safe, since nothing was
//! acknowledged that was not fsynced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The exit code for the supervisor: EX_TEMPFAIL, try again.
pub const HUNG_FLUSH_EXIT_CODE: i32 = 75;
const IDLE: u64 = 0;

/// Watches the time that one piece of work takes.
#[derive(Debug, Clone)]
pub(super) struct Watchdog {
    /// Milliseconds after `origin` at which the work began, plus one; [`IDLE`] when there is none.
    began: Arc<AtomicU64>,
    origin: Instant,
}

impl Watchdog {
    /// Starts a thread that calls `hung` once when work takes longer than `timeout`. The thread ends with the last
    /// clone of the watchdog.
    pub(super) fn start(timeout: Duration, hung: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        let watchdog = Self { began: Arc::new(AtomicU64::new(IDLE)), origin: Instant::now() };
        let began = Arc::downgrade(&watchdog.began);
        let origin = watchdog.origin;
        let pause = (timeout / 8).clamp(Duration::from_millis(5), Duration::from_secs(1));
        std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            loop {
                std::thread::sleep(pause);
                let Some(began) = began.upgrade() else { return };
                let since = began.load(Ordering::Acquire);
                if since != IDLE && origin.elapsed() > Duration::from_millis(since - 1) + timeout {
                    return hung();
                }
            }
        })?;
        Ok(watchdog)
    }

    /// Runs `work` under watch.
    pub(super) fn watch<T>(&self, work: impl FnOnce() -> T) -> T {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.began.store(now + 1, Ordering::Release);
        let outcome = work();
        self.began.store(IDLE, Ordering::Release);
        outcome
    }
}

/// Ends the process so that its supervisor starts it anew.
pub(super) fn exit_for_restart() {
    tracing::error!("flush does not return, ending the process for its supervisor to restart it");
    std::process::exit(HUNG_FLUSH_EXIT_CODE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn only_work_that_takes_too_long_is_reported() {
        let (report, reports) = mpsc::channel();
        let watchdog = Watchdog::start(Duration::from_millis(40), move || report.send(()).unwrap()).unwrap();
        watchdog.watch(|| ());
        assert_eq!(reports.recv_timeout(Duration::from_millis(120)), Err(mpsc::RecvTimeoutError::Timeout));
        watchdog.watch(|| reports.recv_timeout(Duration::from_secs(10)).unwrap());
    }
}
