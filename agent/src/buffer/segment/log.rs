//! A segment as it is written: an own sled database with consecutive commits, made durable by more than sled's flush.
//!
//! sled 0.34 flushes with `sync_file_range`, which survives a crash of the program but no power cut: here the file is
//! fsynced after each flush, and every directory at its creation. A leaf of sled's tree holds up to 16 entries and
//! moves to a separate blob file, which leaks, when it passes a quarter of an [`Extent`]: so an entry is cut into pieces
//! that keep any leaf below that. The key is the commit number and the piece's number, both big endian.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use penstock_shared::id::CommitNumber;
use xxhash_rust::xxh3::xxh3_64;

use super::super::entry::{self, EntryError, StoredCommit};
use super::super::extent::{Extent, PIECE_OVERHEAD};
use super::super::salvage::{self, Salvage};
use super::super::{disk, heal, seal};
use super::{SegmentError, drop_cached};

pub(in crate::buffer) const KEY_BYTES: usize = 10;
pub(in crate::buffer) const COUNT_BYTES: usize = 2;
/// sled's own page cache, for each open segment; at most three are open. sled spreads its pages over 256 parts and
/// never evicts a part's last page, so a segment with fewer pages (16 MiB were about 300) stays in memory whole: the
/// size of segments bounds the memory, not this.
const CACHE_BYTES: u64 = 4 << 20;

/// An open sled database of commits.
pub(super) struct Log {
    dir: PathBuf,
    /// There until the segment is dropped.
    db: Option<sled::Db>,
    /// A handle of our own on sled's file, for the fsync that sled leaves out.
    data: File,
    extent: Extent,
    /// What was put in or taken out since the last fsync.
    unsynced_bytes: AtomicUsize,
    /// What lies beside sled's file: it grows only while it is opened.
    bytes_beside: u64,
}

impl Log {
    /// Opens the segment in `dir`, creates it of `fresh` extents if need be. Durable when it returns.
    ///
    /// Of what is being written to a power cut may have torn what was not fsynced: that opens, if sled then shows all that
    /// is intact in it. A log that is closed, or of which sled shows less, is left to [`salvage`].
    ///
    /// # Errors
    /// `Damaged` when the log is. Then it is as it was, but where it opened neither with its snapshots nor had the disk room
    /// for a copy.
    pub(super) fn open(dir: &Path, fresh: Extent) -> Result<Self, SegmentError> {
        disk::create_dir_durable(dir).map_err(SegmentError::disk(dir))?;
        heal::put_back(dir)?;
        drop_cached(&dir.join("db"));
        let sighting = salvage::look(dir).map_err(SegmentError::disk(dir))?;
        let is_closed = dir.join(seal::FILE).exists();
        if !sighting.is_written && !is_closed {
            // Nothing was put into it yet. What else there is of it may have been torn before it was durable.
            heal::begin_anew(dir)?;
        }
        let extent = match Extent::of(dir) {
            // By other settings sled would read it as something else.
            None if dir.join("db").exists() => {
                return Err(damaged(dir, "settings of the log are gone".to_owned()));
            }
            extent => extent.unwrap_or(fresh),
        };
        if sighting.breaks == 0 {
            return Self::open_whole(dir, extent);
        }
        let torn = damaged(dir, format!("log is broken in {} places", sighting.breaks));
        if is_closed {
            return Err(torn);
        }
        heal::keep(dir)?;
        Self::open_log_alone(dir, extent).map_err(|error| if error.is_retryable() { error } else { torn })
    }

    /// Opens a log in which nothing looks broken, without its snapshots where they stand in the way.
    fn open_whole(dir: &Path, extent: Extent) -> Result<Self, SegmentError> {
        match heal::open_whole(dir, &settings(dir, extent)) {
            Err(SegmentError::Damaged { detail, .. }) if dir.join("db").exists() => {
                tracing::warn!(segment = %dir.display(), detail, "segment does not open, trying without its snapshots");
                if let Err(error) = heal::keep(dir) {
                    // For want of room, most likely: without it an agent on a full disk would never start.
                    tracing::warn!(%error, "log cannot be copied before it is healed");
                }
                Self::open_log_alone(dir, extent)
            }
            db => Self::of(dir, db?, extent),
        }
    }

    /// Opens the segment in `dir` as [`Self::open`] does, but for what else than commits is in it: where sled can open
    /// it at all it does, whatever that costs.
    pub(super) fn open_healing(dir: &Path, fresh: Extent) -> Result<Self, SegmentError> {
        disk::create_dir_durable(dir).map_err(SegmentError::disk(dir))?;
        drop_cached(&dir.join("db"));
        let extent = Extent::of(dir).unwrap_or(fresh);
        Self::of(dir, heal::open_healing(dir, &settings(dir, extent))?, extent)
    }

    /// Opens a log of which there is a copy, without its snapshots. Where sled shows less than is in it, the copy takes
    /// its place.
    fn open_log_alone(dir: &Path, extent: Extent) -> Result<Self, SegmentError> {
        let intact = fingerprints(dir).map_err(SegmentError::disk(dir))?;
        let opened = heal::open_log_alone(dir, &settings(dir, extent)).and_then(|db| {
            let log = Self::of(dir, db, extent)?;
            for (number, fingerprint) in intact {
                if log.get_bytes(number)?.is_none_or(|bytes| xxh3_64(&bytes) != fingerprint) {
                    return Err(damaged(dir, "sled shows less than its log holds".to_owned()));
                }
            }
            Ok(log)
        });
        match opened {
            Ok(log) => heal::forget_kept(dir).map(|()| log),
            Err(error) => heal::put_back(dir).and(Err(error)),
        }
    }

    fn of(dir: &Path, db: sled::Db, extent: Extent) -> Result<Self, SegmentError> {
        let data_path = dir.join("db");
        let data = File::open(&data_path).map_err(SegmentError::disk(&data_path))?;
        // From here on whatever fails drops the database as a segment does.
        let unsynced_bytes = AtomicUsize::new(0);
        let mut log =
            Self { dir: dir.to_owned(), db: Some(db), data, extent, unsynced_bytes, bytes_beside: 0 };
        let sync = || -> std::io::Result<()> {
            disk::sync_all(&File::open(dir.join("conf"))?)?;
            disk::sync_all(&log.data)?;
            disk::sync_dir(&dir.join("blobs"))?;
            disk::sync_dir(dir)
        };
        sync().map_err(SegmentError::disk(dir))?;
        log.bytes_beside = disk::bytes_below(dir).saturating_sub(log.file_bytes());
        Ok(log)
    }

    /// Puts an encoded commit in; durable only after [`Self::make_durable`].
    pub(super) fn put(&self, number: CommitNumber, bytes: &[u8]) -> Result<(), SegmentError> {
        self.put_some(number, bytes, 0..usize::MAX)
    }

    /// Puts some pieces of a commit in. A long one is fsynced in parts on the way.
    pub(super) fn put_some(
        &self,
        number: CommitNumber,
        bytes: &[u8],
        places: Range<usize>,
    ) -> Result<(), SegmentError> {
        let pieces = bytes.chunks(self.extent.piece_bytes());
        let count = u16::try_from(pieces.len())
            .map_err(|_| damaged(&self.dir, "entry has too many pieces".to_owned()))?;
        for (place, piece) in pieces.enumerate().take(places.end).skip(places.start) {
            let place = u16::try_from(place).unwrap_or(u16::MAX);
            let mut value = Vec::with_capacity(COUNT_BYTES + piece.len());
            value.extend_from_slice(&count.to_le_bytes());
            value.extend_from_slice(piece);
            self.moves_on_by(piece.len())?;
            self.guarded(|db| db.insert(key(number, place), value))?;
        }
        Ok(())
    }

    /// Fsyncs before sled could use an extent again of which the disk does not have all yet that took its place.
    fn moves_on_by(&self, piece_bytes: usize) -> Result<(), SegmentError> {
        let bytes = piece_bytes + PIECE_OVERHEAD;
        if self.unsynced_bytes.load(Ordering::Relaxed) + bytes > self.extent.unsynced_bytes() {
            self.make_durable()?;
        }
        self.unsynced_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Returns when everything put before is on the disk.
    pub(super) fn make_durable(&self) -> Result<(), SegmentError> {
        self.guarded(|db| db.flush())?;
        disk::sync_data(&self.data).map_err(SegmentError::disk(&self.dir))?;
        self.unsynced_bytes.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Returns what it was made of.
    pub(super) const fn extent(&self) -> Extent {
        self.extent
    }

    /// Returns the bytes of all its files.
    pub(super) fn data_bytes(&self) -> u64 {
        self.file_bytes() + self.bytes_beside
    }

    fn file_bytes(&self) -> u64 {
        self.data.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Returns the bytes put under `number`; none when they were never put whole.
    pub(super) fn get_bytes(&self, number: CommitNumber) -> Result<Option<Vec<u8>>, SegmentError> {
        self.guarded(|db| gather(db, number))
    }

    /// Returns the largest number in use that is at most `through`, whole or not.
    pub(super) fn last_number(&self, through: CommitNumber) -> Result<Option<CommitNumber>, SegmentError> {
        let last = self.guarded(|db| db.range(..=key(through, u16::MAX)).next_back().transpose())?;
        Ok(last.and_then(|(key, _)| number_of(&key)))
    }

    /// Reads a commit; none when it was never put whole.
    pub(super) fn get(&self, number: CommitNumber) -> Result<Option<StoredCommit>, SegmentError> {
        let Some(bytes) = self.get_bytes(number)? else { return Ok(None) };
        let damaged = |source| SegmentError::Entry { number, source };
        let stored = entry::decode(&bytes).map_err(damaged)?;
        if stored.commit.number != number {
            let detail = format!("holds commit {}", stored.commit.number);
            return Err(damaged(EntryError::Payload(detail)));
        }
        Ok(Some(stored))
    }

    /// Returns the smallest number at or after `from` of which any piece is there.
    pub(super) fn next_at(&self, from: CommitNumber) -> Result<Option<CommitNumber>, SegmentError> {
        self.guarded(|db| match db.range(key(from, 0)..).next() {
            Some(found) => Ok(number_of(&found?.0)),
            None => Ok(None),
        })
    }

    /// Removes what stands at the end, up to `through`, and was never put whole; returns the last number that was.
    pub(super) fn cut_off(&self, through: CommitNumber) -> Result<Option<CommitNumber>, SegmentError> {
        while let Some(number) = self.last_number(through)? {
            if self.get_bytes(number)?.is_some() {
                return Ok(Some(number));
            }
            tracing::info!(commit = number.0, "commit cut off by a crash removed, it was never acknowledged");
            self.remove(number)?;
        }
        Ok(None)
    }

    fn remove(&self, number: CommitNumber) -> Result<(), SegmentError> {
        let all = key(number, 0)..=key(number, u16::MAX);
        while let Some((key, value)) = self.guarded(|db| db.range(all.clone()).next().transpose())? {
            self.moves_on_by(value.len())?;
            self.guarded(|db| db.remove(key))?;
        }
        Ok(())
    }

    pub(super) fn guarded<T>(
        &self,
        work: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, SegmentError> {
        heal::guarded(&self.dir, || match &self.db {
            Some(db) => work(db),
            None => Err(sled::Error::Unsupported("segment is closed".to_owned())),
        })
    }
}

fn damaged(dir: &Path, detail: String) -> SegmentError {
    SegmentError::Damaged { path: dir.to_owned(), detail }
}

/// Returns what is intact in a log, each commit as a hash of its bytes.
fn fingerprints(dir: &Path) -> std::io::Result<Vec<(CommitNumber, u64)>> {
    let all = CommitNumber::NONE..=CommitNumber(u64::MAX);
    let Some(whole) = Salvage::of(dir, all)? else { return Ok(Vec::new()) };
    let entries = whole.entries(CommitNumber::NONE);
    entries.map(|entry| entry.map(|(number, bytes)| (number, xxh3_64(&bytes)))).collect()
}

impl Drop for Log {
    fn drop(&mut self) {
        // sled fsyncs when it is dropped, and panics where that fails.
        if let Err(error) = heal::guarded(&self.dir, || {
            drop(self.db.take());
            Ok(())
        }) {
            tracing::debug!(%error, "segment closed on a failing disk");
        }
    }
}

fn settings(dir: &Path, extent: Extent) -> sled::Config {
    // No thread that flushes by timer: every group is flushed as it is committed.
    sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None)
        .segment_size(extent.segment_size())
}

pub(super) fn key(number: CommitNumber, piece: u16) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&number.0.to_be_bytes());
    key[8..].copy_from_slice(&piece.to_be_bytes());
    key
}

fn number_of(key: &[u8]) -> Option<CommitNumber> {
    Some(CommitNumber(u64::from_be_bytes(key.get(..8)?.try_into().ok()?)))
}

fn gather(db: &sled::Db, number: CommitNumber) -> sled::Result<Option<Vec<u8>>> {
    let Some(first) = db.get(key(number, 0))? else { return Ok(None) };
    let Some((count, piece)) = first.split_at_checked(COUNT_BYTES) else { return Ok(None) };
    let count = u16::from_le_bytes([count[0], count[1]]);
    let mut bytes = piece.to_vec();
    for place in 1..count {
        let Some(value) = db.get(key(number, place))? else { return Ok(None) };
        bytes.extend_from_slice(value.get(COUNT_BYTES..).unwrap_or_default());
    }
    Ok(Some(bytes))
}
