//! Opens sled databases that a crash left behind, and keeps sled's faults from becoming ours.
//!
//! `Corruption` at opening is often only a torn snapshot: sled reads the newest `snap.*`. Snapshots are a shortcut;
//! without them sled reads its log. But opening writes: what lies behind a tear is overwritten with zeros, and a log
//! that is read from its beginning may end earlier than before: in a soak of kills and power cuts, sled then showed 78
//! acknowledged commits less. So the log is copied before the snapshots go, where there is room for that, and comes back where
//! it has more.

use std::fs::{File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::disk;
use super::segment::SegmentError;

/// sled's helper threads may hold a database for a moment after its last handle is dropped.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(2);

/// The log as it was before sled read it without snapshots.
const KEPT: &str = "db.kept";
const UNFINISHED: &str = "db.kept.tmp";

/// Opens a database as it is.
pub(super) fn open_whole(dir: &Path, config: &sled::Config) -> Result<sled::Db, SegmentError> {
    remove_snapshots(dir, |name| name.ends_with(".generating"))?;
    open(dir, config)
}

/// Opens a database without its snapshots.
pub(super) fn open_log_alone(dir: &Path, config: &sled::Config) -> Result<sled::Db, SegmentError> {
    remove_snapshots(dir, |_| true)?;
    open(dir, config)
}

/// Opens a database, removing snapshots that stand in the way.
pub(super) fn open_healing(dir: &Path, config: &sled::Config) -> Result<sled::Db, SegmentError> {
    match open_whole(dir, config) {
        Err(SegmentError::Damaged { detail, .. }) => {
            tracing::warn!(segment = %dir.display(), detail, "segment does not open, trying without its snapshots");
            open_log_alone(dir, config)
        }
        outcome => outcome,
    }
}

/// Removes what a log left in which nothing is.
pub(super) fn begin_anew(dir: &Path) -> Result<(), SegmentError> {
    let is_left = |name: &str| matches!(name, "conf" | "db") || name.starts_with("snap.");
    remove_files(dir, is_left).and_then(|()| disk::sync_dir(dir)).map_err(SegmentError::disk(dir))
}

/// Copies the log; durable when it returns.
pub(super) fn keep(dir: &Path) -> Result<(), SegmentError> {
    let copied = || -> std::io::Result<()> {
        let unfinished = dir.join(UNFINISHED);
        std::fs::copy(dir.join("db"), &unfinished)?;
        disk::sync_all(&File::open(&unfinished)?)?;
        std::fs::rename(&unfinished, dir.join(KEPT))?;
        disk::sync_dir(dir)
    };
    copied().map_err(|error| {
        // What was tried takes the room of what comes next.
        if let Err(left) = remove_files(dir, |name| name == UNFINISHED) {
            tracing::debug!(%left, "unfinished copy stays");
        }
        SegmentError::disk(dir)(error)
    })
}

/// Puts a kept log back in its place, if there is one: also after a crash, before anybody knew whether it was needed.
pub(super) fn put_back(dir: &Path) -> Result<(), SegmentError> {
    let back = || -> std::io::Result<()> {
        if dir.join(KEPT).exists() {
            // They tell of the log that was overwritten, and must never stand beside the one that comes back.
            remove_files(dir, |name| name.starts_with("snap."))?;
            disk::sync_dir(dir)?;
            std::fs::rename(dir.join(KEPT), dir.join("db"))?;
            disk::sync_dir(dir)?;
        }
        remove_files(dir, |name| name == UNFINISHED)
    };
    back().map_err(SegmentError::disk(dir))
}

/// Removes a kept log that is not needed; durable when it returns: if it came back, it would replace what is written now.
pub(super) fn forget_kept(dir: &Path) -> Result<(), SegmentError> {
    remove_files(dir, |name| name == KEPT).and_then(|()| disk::sync_dir(dir)).map_err(SegmentError::disk(dir))
}

fn open(dir: &Path, config: &sled::Config) -> Result<sled::Db, SegmentError> {
    let data = dir.join("db");
    wait_until_unlocked(&data)?;
    // As sled opens a log it overwrites what stands elsewhere too: the disk must have all of that.
    match File::open(&data).and_then(|file| disk::sync_all(&file)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(SegmentError::disk(&data)(error));
        }
        _ => {}
    }
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
    remove_files(dir, |name| name.starts_with("snap.") && unwanted(name)).map_err(SegmentError::disk(dir))
}

fn remove_files(dir: &Path, unwanted: impl Fn(&str) -> bool) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)?.flatten() {
        if unwanted(&entry.file_name().to_string_lossy()) {
            tracing::debug!(file = %entry.path().display(), "removed before sled opens");
            std::fs::remove_file(entry.path())?;
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
