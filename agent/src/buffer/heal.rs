//! Opens sled databases that a crash left behind, and keeps sled's faults from becoming ours.
//!
//! `Corruption` at opening is often only a torn snapshot: sled reads the newest `snap.*`, also one it was still
//! writing. Snapshots are a shortcut; without them sled reads its log. They are removed only where they stand
//! in the way: when they always were, a soak of kills and power cuts lost 78 acknowledged commits of one segment.

use std::fs::{File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::segment::SegmentError;

/// sled's helper threads may hold a database for a moment after its last handle is dropped.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(2);

/// Opens a database, removing snapshots that stand in the way.
pub(super) fn open_healing(dir: &Path, config: &sled::Config) -> Result<sled::Db, SegmentError> {
    remove_snapshots(dir, |name| name.ends_with(".generating"))?;
    match open(dir, config) {
        Err(SegmentError::Damaged { detail, .. }) => {
            tracing::warn!(segment = %dir.display(), detail, "segment does not open, trying without its snapshots");
            remove_snapshots(dir, |_| true)?;
            open(dir, config)
        }
        outcome => outcome,
    }
}

fn open(dir: &Path, config: &sled::Config) -> Result<sled::Db, SegmentError> {
    wait_until_unlocked(&dir.join("db"))?;
    guarded(dir, || config.open())
}

fn wait_until_unlocked(data: &Path) -> Result<(), SegmentError> {
    let Ok(file) = File::open(data) else { return Ok(()) };
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return file.unlock().map_err(SegmentError::disk(data)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_POLL),
            Err(error) => return Err(SegmentError::disk(data)(error.into())),
        }
    }
}

fn remove_snapshots(dir: &Path, unwanted: impl Fn(&str) -> bool) -> Result<(), SegmentError> {
    let entries = std::fs::read_dir(dir).map_err(SegmentError::disk(dir))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && unwanted(&name) {
            tracing::warn!(snapshot = %entry.path().display(), "snapshot removed");
            std::fs::remove_file(entry.path()).map_err(SegmentError::disk(dir))?;
        }
    }
    Ok(())
}

/// Runs a call into sled; a panic in there, which damaged files can cause, counts as damage.
pub(super) fn guarded<T>(dir: &Path, work: impl FnOnce() -> sled::Result<T>) -> Result<T, SegmentError> {
    let damaged = |detail: String| SegmentError::Damaged { path: dir.to_owned(), detail };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        // A file that ends too early is damaged; any other fault of I/O may pass.
        Ok(Err(sled::Error::Io(source))) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            Err(SegmentError::disk(dir)(source))
        }
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(_) => Err(damaged("sled panicked".to_owned())),
    }
}
