//! Writes a segment's frozen form beside what it was: it counts once it is whole, on the disk, and read back from it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::super::disk;
use super::super::entry::StoredCommit;
use super::frozen::{FILE, Frozen, UNFINISHED};
use super::{SegmentError, block, drop_cached};

/// A block is full with so many readings: more pack little better, and one block is in memory while it is read.
const BLOCK_READINGS: usize = 4096;
/// … or so many bytes, roughly, before compression.
const BLOCK_BYTES: usize = 512 * 1024;
/// … or so many commits.
const BLOCK_COMMITS: usize = 4096;
/// A reading and a commit in memory, roughly, without texts.
const READING_BYTES: usize = 32;

/// A frozen segment that is being written.
pub(in crate::buffer) struct Freezer {
    dir: PathBuf,
    file: File,
    pending: Vec<StoredCommit>,
    readings: usize,
    plain_bytes: usize,
    written: u64,
    is_finished: bool,
}

impl Freezer {
    /// Begins the frozen form of the segment in `dir`.
    pub(in crate::buffer) fn begin(dir: &Path) -> Result<Self, SegmentError> {
        let path = dir.join(UNFINISHED);
        let file = File::create(&path).map_err(SegmentError::disk(&path))?;
        Ok(Self {
            dir: dir.to_owned(),
            file,
            pending: Vec::new(),
            readings: 0,
            plain_bytes: 0,
            written: 0,
            is_finished: false,
        })
    }

    /// Adds a commit, behind all that were added; numbers may be left out. Returns whether a block was written.
    pub(in crate::buffer) fn push(&mut self, stored: StoredCommit) -> Result<bool, SegmentError> {
        let last = self.pending.last().map(|last| last.commit.number);
        let is_full = self.readings >= BLOCK_READINGS
            || self.plain_bytes >= BLOCK_BYTES
            || self.pending.len() >= BLOCK_COMMITS;
        let ends = is_full || last.is_some_and(|last| last.next() != stored.commit.number);
        if ends {
            self.write_block()?;
        }
        self.readings += stored.commit.readings.len();
        self.plain_bytes += READING_BYTES + stored.rough_bytes(READING_BYTES);
        self.pending.push(stored);
        Ok(ends)
    }

    /// Returns the bytes that it takes on the disk so far.
    pub(in crate::buffer) const fn written(&self) -> u64 {
        self.written
    }

    /// Makes it what the segment is; what the directory holds besides is removed when it is opened next.
    pub(in crate::buffer) fn finish(mut self) -> Result<(), SegmentError> {
        self.write_block()?;
        let unfinished = self.dir.join(UNFINISHED);
        disk::sync_all(&self.file).map_err(SegmentError::disk(&unfinished))?;
        // From the disk, not from memory: the log goes once this stands.
        drop_cached(&unfinished);
        Frozen::open(&unfinished)?.verify()?;
        let stands = || -> std::io::Result<()> {
            std::fs::rename(&unfinished, self.dir.join(FILE))?;
            disk::sync_dir(&self.dir)
        };
        stands().map_err(SegmentError::disk(&self.dir))?;
        self.is_finished = true;
        Ok(())
    }

    fn write_block(&mut self) -> Result<(), SegmentError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let path = self.dir.join(UNFINISHED);
        let block = block::pack(&self.pending).map_err(SegmentError::disk(&path))?;
        self.file.write_all(&block).map_err(SegmentError::disk(&path))?;
        self.written += block.len() as u64;
        self.pending.clear();
        (self.readings, self.plain_bytes) = (0, 0);
        Ok(())
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(error) = std::fs::remove_file(self.dir.join(UNFINISHED))
        {
            tracing::debug!(%error, segment = %self.dir.display(), "unfinished frozen form not removed");
        }
    }
}
