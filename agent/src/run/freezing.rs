//! Freezes what waits long, on a thread of its own: in an outage there is nothing else to do with a backlog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::buffer::{Buffer, Freezing};

/// How often it is looked whether anything waits long.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long the end of a block is waited for. A disk that hangs must not keep the process from ending.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// The thread; it stops when this is dropped.
pub(super) struct FreezingThread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FreezingThread {
    /// Starts it; without a time after which to freeze there is none.
    ///
    /// # Errors
    /// When the operating system has no thread.
    pub(super) fn start(buffer: Buffer, after: Option<Duration>) -> std::io::Result<Self> {
        let stop = Arc::<AtomicBool>::default();
        let Some(after) = after else { return Ok(Self { stop, thread: None }) };
        let stops = Arc::clone(&stop);
        let work = move || watch(&buffer, after, &stops);
        let thread = std::thread::Builder::new().name("freezing".into()).spawn(work)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for FreezingThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        let began = Instant::now();
        while !thread.is_finished() && began.elapsed() < STOP_PATIENCE {
            std::thread::sleep(POLL);
        }
    }
}

fn watch(buffer: &Buffer, after: Duration, stop: &AtomicBool) {
    let stored = || buffer.counts().stored;
    let mut progress = (stored(), Instant::now());
    let stops = || stop.load(Ordering::Relaxed);
    while !stops() {
        if stored() != progress.0 {
            progress = (stored(), Instant::now());
        }
        let stands_still = || !stops() && stored() == progress.0;
        while progress.1.elapsed() >= after && stands_still() {
            match buffer.freeze_oldest(stands_still) {
                Ok(Freezing::Done { .. } | Freezing::Unfit(_)) => {}
                Ok(Freezing::Yielded | Freezing::Nothing) => break,
                Err(error) => {
                    tracing::warn!(%error, "segment not frozen");
                    break;
                }
            }
        }
        std::thread::park_timeout(LOOK_EVERY.min(after));
    }
}
