//! Packs closed segments that wait long into their frozen form, a fraction of their size, while nothing else needs them.
//!
//! The commits, their numbers and the books stay as they are. A segment is read as the forwarder would read it, in
//! the forwarder's place: no more are open than otherwise, and when the forwarder needs another one it goes first.

use std::time::Instant;

use penstock_shared::id::CommitNumber;

use super::books::SegmentInfo;
use super::error::BufferError;
use super::segment::{self, Freezer, SegmentError};
use super::{Buffer, Shared, disk, locked, seal};

/// A frozen form that would take more than this part of a segment's size is given up: the two lie side by side for a
/// while, and the quota leaves them that much.
pub(super) const FROZEN_PART: u64 = 2;
/// After each block a pause of this many times what it took, so that taking in comes first on one core.
const PAUSE_FACTOR: u32 = 1;

/// What came of an attempt to freeze a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freezing {
    /// A segment takes fewer bytes now.
    Done {
        /// Which.
        segment: CommitNumber,
        /// What it took.
        before_bytes: u64,
        /// What it takes.
        after_bytes: u64,
    },
    /// It was given up: somebody needed the segment, or it is time to stop.
    Yielded,
    /// It stays as it is: it does not pack, or some of it cannot be read.
    Unfit(CommitNumber),
    /// There is none to freeze.
    Nothing,
}

impl Buffer {
    /// Freezes the oldest segment that is closed, waits for the hub and is not frozen yet. Blocks on the disk, for
    /// seconds; gives up where `goes_on` says so.
    ///
    /// # Errors
    /// When the disk refuses; then the segment is as it was.
    pub fn freeze_oldest(&self, goes_on: impl Fn() -> bool) -> Result<Freezing, BufferError> {
        let shared = &*self.shared;
        let Some(info) = shared.oldest_to_freeze()? else { return Ok(Freezing::Nothing) };
        let outcome = shared.freeze(&info, goes_on);
        if matches!(outcome, Ok(Freezing::Unfit(_))) {
            locked(&shared.unfit_to_freeze).insert(info.first);
        }
        outcome
    }
}

impl Shared {
    fn oldest_to_freeze(&self) -> Result<Option<SegmentInfo>, BufferError> {
        let dir = &self.settings.dir;
        // An interrupted replay is recognised by the bytes of its commit as they were written.
        let pending = locked(&self.dead_letters).replays.pending().map_err(BufferError::disk(dir))?;
        if pending.is_some() || self.has_failed_lately() {
            return Ok(None);
        }
        let mut unfit = locked(&self.unfit_to_freeze);
        let damaged = locked(&self.damaged).clone();
        let books = self.books();
        let closed = books.segments.len().saturating_sub(1);
        unfit.retain(|first| books.segments.iter().any(|info| info.first == *first));
        let is_fit = |info: &&SegmentInfo| {
            let is_log = !info.is_frozen && info.last >= info.first;
            is_log && !unfit.contains(&info.first) && !damaged.contains(&info.first)
        };
        Ok(books.segments.iter().take(closed).find(is_fit).cloned())
    }

    fn freeze(&self, info: &SegmentInfo, goes_on: impl Fn() -> bool) -> Result<Freezing, BufferError> {
        let first = info.first;
        let dir = self.segment_dir(first);
        let room = disk::free_bytes(&self.settings.dir).map_err(BufferError::disk(&dir))?;
        if room < self.settings.min_free_bytes + info.bytes {
            return Ok(Freezing::Nothing);
        }
        let log = match self.draining(first) {
            Err(_) if self.books().place_of(first).is_none() => return Ok(Freezing::Yielded),
            Err(SegmentError::Damaged { .. }) => return Ok(Freezing::Unfit(first)),
            opened => opened?,
        };
        let mut freezer = Freezer::begin(&dir)?;
        let mut began = Instant::now();
        let mut number = first;
        while number <= info.last {
            match log.get(number) {
                Ok(Some(stored)) => {
                    if freezer.push(stored)? {
                        if freezer.written() > info.bytes / FROZEN_PART {
                            return Ok(Freezing::Unfit(first));
                        }
                        if !goes_on() || !self.is_in_its_place(first) {
                            return Ok(Freezing::Yielded);
                        }
                        std::thread::sleep(began.elapsed() * PAUSE_FACTOR);
                        began = Instant::now();
                    }
                }
                Err(error) if error.is_retryable() => return Err(error.into()),
                // What is lost is found, declared and told where it is read; and the log is kept.
                Ok(None) | Err(_) => return Ok(Freezing::Unfit(first)),
            }
            number = number.next();
        }
        if !self.is_in_its_place(first) {
            return Ok(Freezing::Yielded);
        }
        freezer.finish()?;
        drop(log);
        self.forget(first);
        self.take_frozen(info)
    }

    /// Tells whether the forwarder has not asked for another segment meanwhile, nor does just now: it may be opening
    /// this one afresh, and waits until nobody else has it.
    fn is_in_its_place(&self, first: CommitNumber) -> bool {
        match self.draining.try_lock() {
            Ok(draining) => draining.as_ref().is_some_and(|segment| segment.first() == first),
            Err(_) => false,
        }
    }

    /// Removes the log and books what is left.
    fn take_frozen(&self, info: &SegmentInfo) -> Result<Freezing, BufferError> {
        let (first, dir) = (info.first, self.segment_dir(info.first));
        segment::remove_log(&dir);
        let frozen = SegmentInfo { bytes: disk::bytes_below(&dir), is_frozen: true, ..info.clone() };
        seal::write(&dir, &frozen).map_err(BufferError::disk(&dir))?;
        if let Some(info) = self.books().segments.iter_mut().find(|info| info.first == first) {
            info.is_frozen = true;
        }
        self.books().note_bytes(first, disk::bytes_below(&dir));
        tracing::info!(segment = first.0, before = info.bytes, after = frozen.bytes, "segment frozen");
        Ok(Freezing::Done { segment: first, before_bytes: info.bytes, after_bytes: frozen.bytes })
    }
}
