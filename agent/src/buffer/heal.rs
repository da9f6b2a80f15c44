//! Opens sled databases that a crash left behind, and keeps sled's faults from becoming ours.
//!
//! Snapshots are a shortcut, and sled does not prove them against its log: one that was torn, or that knows of more than
//! the log has after a power cut or a failed fsync, makes it see damage, or miss what is there. So they are removed before
//! a database is opened; a segment's log is small, and sled reads it whole instead.

use std::fs::{File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::segment::SegmentError;

/// sled's helper threads may hold a database for a moment after its last handle is dropped.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(2);

/// Opens a database by its log alone.
pub(super) fn open_healing(dir: &Path, config: &sled::Config) -> Result<sled::Db, SegmentError> {
    wait_until_unlocked(&dir.join("db"))?;
    remove_snapshots(dir)?;
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

fn remove_snapshots(dir: &Path) -> Result<(), SegmentError> {
    let entries = std::fs::read_dir(dir).map_err(SegmentError::disk(dir))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("snap.") {
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
