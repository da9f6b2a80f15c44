//! One segment: consecutive commits in a directory of their own.
//!
//! ```text
//! log (sled, written to) ─closed, and waiting long─▶ frozen (one file of packed blocks)
//! ```

mod block;
mod freezer;
mod frozen;
mod log;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};

use penstock_shared::id::CommitNumber;

use super::entry::{Encoder, EntryError, StoredCommit};
use super::extent::Extent;
use super::{disk, seal};
pub(super) use freezer::Freezer;
use frozen::Frozen;
use log::Log;
pub(super) use log::{COUNT_BYTES, KEY_BYTES};

/// An open segment.
pub(super) struct Segment {
    first: CommitNumber,
    dir: PathBuf,
    form: Form,
}

enum Form {
    Log(Log),
    Frozen(Frozen),
}

/// Why a segment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The disk refused; the same may work later.
    #[error("{path}: {source}")]
    Disk {
        /// The file or directory concerned.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// sled found its files damaged.
    #[error("{path}: damaged: {detail}")]
    Damaged {
        /// The segment's directory.
        path: PathBuf,
        /// What sled said.
        detail: String,
    },
    /// One commit is damaged; others may be whole.
    #[error("commit {number}: {source}")]
    Entry {
        /// The commit.
        number: CommitNumber,
        /// What is wrong with it.
        source: EntryError,
    },
}

impl SegmentError {
    /// Tells whether trying again later can help: the disk refused, nothing is damaged.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Disk { .. })
    }

    pub(super) fn disk(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { path, source }
    }
}

/// The end of a segment as found on the disk.
#[derive(Debug, PartialEq)]
pub(super) struct Tail {
    /// The last number in use; none when the segment is empty.
    pub(super) last: Option<CommitNumber>,
    /// The last commit that reads back whole.
    pub(super) newest_whole: Option<StoredCommit>,
}

impl Segment {
    /// As [`Self::open_with`], with a log of the largest extents where there is none.
    pub(super) fn open(dir: &Path, first: CommitNumber) -> Result<Self, SegmentError> {
        Self::open_with(dir, first, Extent::LARGEST)
    }

    /// Opens the segment in `dir`, creates a log of `fresh` extents if nothing is there, and finishes what a crash interrupted. Durable when it returns.
    pub(super) fn open_with(dir: &Path, first: CommitNumber, fresh: Extent) -> Result<Self, SegmentError> {
        let form = if is_frozen(dir) {
            let frozen = Frozen::open(&dir.join(frozen::FILE))?;
            remove_log(dir);
            Form::Frozen(frozen)
        } else {
            remove_unfinished(dir)?;
            Form::Log(Log::open(dir, fresh)?)
        };
        Ok(Self { first, dir: dir.to_owned(), form })
    }

    /// Opens a log of something else than commits, whatever is lost of it by that.
    pub(super) fn open_healing(dir: &Path, first: CommitNumber, fresh: Extent) -> Result<Self, SegmentError> {
        Ok(Self { first, dir: dir.to_owned(), form: Form::Log(Log::open_healing(dir, fresh)?) })
    }

    /// Returns the number after which the segment is named.
    pub(super) const fn first(&self) -> CommitNumber {
        self.first
    }

    /// Tells whether it is in its frozen form, in which nothing can be put.
    pub(super) const fn is_frozen(&self) -> bool {
        matches!(self.form, Form::Frozen(_))
    }

    /// Puts an encoded commit in; durable only after [`Self::make_durable`].
    pub(super) fn put(&self, number: CommitNumber, bytes: &[u8]) -> Result<(), SegmentError> {
        match &self.form {
            Form::Log(log) => log.put(number, bytes),
            Form::Frozen(_) => {
                Err(SegmentError::disk(&self.dir)(std::io::ErrorKind::ReadOnlyFilesystem.into()))
            }
        }
    }

    /// Puts some pieces of a commit only, as a crash may leave them.
    #[cfg(test)]
    pub(super) fn put_some(
        &self,
        number: CommitNumber,
        bytes: &[u8],
        places: std::ops::Range<usize>,
    ) -> Result<(), SegmentError> {
        match &self.form {
            Form::Log(log) => log.put_some(number, bytes, places),
            Form::Frozen(_) => self.put(number, bytes),
        }
    }

    /// Returns when everything put before is on the disk.
    pub(super) fn make_durable(&self) -> Result<(), SegmentError> {
        match &self.form {
            Form::Log(log) => log.make_durable(),
            Form::Frozen(_) => Ok(()),
        }
    }

    /// Returns what its log is made of; none in its frozen form.
    pub(super) const fn extent(&self) -> Option<Extent> {
        match &self.form {
            Form::Log(log) => Some(log.extent()),
            Form::Frozen(_) => None,
        }
    }

    /// Returns the bytes of its data.
    pub(super) fn data_bytes(&self) -> u64 {
        match &self.form {
            Form::Log(log) => log.data_bytes(),
            Form::Frozen(frozen) => frozen.bytes(),
        }
    }

    /// Returns the bytes put under `number`; none when they were never put whole.
    pub(super) fn get_bytes(&self, number: CommitNumber) -> Result<Option<Vec<u8>>, SegmentError> {
        let frozen = match &self.form {
            Form::Log(log) => return log.get_bytes(number),
            Form::Frozen(frozen) => frozen,
        };
        let Some(stored) = frozen.get(number)? else { return Ok(None) };
        let encoded = Encoder::new().and_then(|mut encoder| {
            encoder.encode(number, stored.received_at, stored.totals, &stored.commit.readings)
        });
        encoded.map(Some).map_err(SegmentError::disk(&self.dir))
    }

    /// Returns the largest number in use that is at most `through`, whole or not.
    pub(super) fn last_number(&self, through: CommitNumber) -> Result<Option<CommitNumber>, SegmentError> {
        match &self.form {
            Form::Log(log) => log.last_number(through),
            Form::Frozen(frozen) => Ok(frozen.last_number(through)),
        }
    }

    /// Reads a commit; none when it was never put whole.
    pub(super) fn get(&self, number: CommitNumber) -> Result<Option<StoredCommit>, SegmentError> {
        match &self.form {
            Form::Log(log) => log.get(number),
            Form::Frozen(frozen) => frozen.get(number),
        }
    }

    /// Returns the smallest number at or after `from` of which any piece is there.
    pub(super) fn next_at(&self, from: CommitNumber) -> Result<Option<CommitNumber>, SegmentError> {
        match &self.form {
            Form::Log(log) => log.next_at(from),
            Form::Frozen(frozen) => Ok(frozen.next_at(from)),
        }
    }

    /// Returns the first number behind an unreadable one that may be readable: what is packed together is lost together.
    pub(super) fn behind(&self, number: CommitNumber) -> CommitNumber {
        match &self.form {
            Form::Log(_) => number.next(),
            Form::Frozen(frozen) => frozen.behind(number),
        }
    }

    /// Finds the last commit that is at most `through`. What was cut off by a crash before it was durable is removed: it
    /// was never acknowledged.
    pub(super) fn tail(&self, through: CommitNumber) -> Result<Tail, SegmentError> {
        let last = match &self.form {
            Form::Log(log) => log.cut_off(through)?,
            Form::Frozen(frozen) => frozen.last_number(through),
        };
        let mut probe = last;
        while let Some(number) = probe {
            match self.get(number) {
                Ok(Some(newest_whole)) => return Ok(Tail { last, newest_whole: Some(newest_whole) }),
                Ok(None) | Err(SegmentError::Entry { .. }) => {}
                Err(error) => return Err(error),
            }
            probe = (number > self.first).then(|| number.previous());
        }
        Ok(Tail { last, newest_whole: None })
    }
}

/// Tells whether the segment in `dir` is in its frozen form, without opening it.
pub(super) fn is_frozen(dir: &Path) -> bool {
    dir.join(frozen::FILE).exists()
}

/// Removes the log that a frozen form replaced. Where the disk refuses, it is removed another time.
pub(super) fn remove_log(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let kept =
        |entry: &std::fs::DirEntry| [frozen::FILE, seal::FILE].iter().any(|kept| entry.file_name() == *kept);
    let rest: Vec<_> = entries.flatten().filter(|entry| !kept(entry)).map(|entry| entry.path()).collect();
    // Whoever named the frozen form may have been killed before the name was durable.
    if rest.is_empty() || disk::sync_dir(dir).is_err() {
        return;
    }
    for path in rest {
        let removed =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::debug!(%error, path = %path.display(), "rest of a log not removed");
        }
    }
}

fn remove_unfinished(dir: &Path) -> Result<(), SegmentError> {
    match std::fs::remove_file(dir.join(frozen::UNFINISHED)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(SegmentError::disk(dir)(error)),
        _ => Ok(()),
    }
}

/// Drops what the system keeps in memory of a file that is not open, so that the disk itself is read next: after a
/// failed fsync the two differ, also for the processes that follow. Pages that wait for their first fsync stay.
fn drop_cached(data: &Path) {
    if !data.exists() {
        return;
    }
    let dropped = File::open(data)
        .and_then(|file| Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?));
    if let Err(error) = dropped {
        tracing::debug!(%error, path = %data.display(), "cache is not dropped");
    }
}
