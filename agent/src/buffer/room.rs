//! Room on the disk: the floor, the quota, and when a segment is closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_shared::batch::GapReason;
use penstock_shared::id::CommitNumber;

use super::error::{AppendError, BufferError};
use super::extent::Extent;
use super::freeze::FROZEN_PART;
use super::segment::Segment;
use super::settings::FullPolicy;
use super::write::Writer;
use super::{Shared, disk, seal};

/// A segment holds no more commits than this, so that the numbers after a damaged one can skip all that it may
/// have used.
pub(super) const MAX_SEGMENT_COMMITS: u64 = 1 << 22;
/// So much stays free whatever the settings say: on a disk that is full to the last byte sled fails for good. That is
/// for the disk, and has nothing to do with the quota, which may be far smaller.
const LEAST_FREE_BYTES: u64 = 4 << 20;
/// Free space is looked at this often: the floor leaves room for what comes in meanwhile.
const FREE_SPACE_EVERY: Duration = Duration::from_millis(100);
/// An active segment that the hub has whole is closed at this part of its full size, to give its disk back.
const DRAINED_PART: u64 = 4;
/// More than one group's commits: what may still enter a segment after it was last looked at.
const MOST_COMMITS_OF_A_GROUP: u64 = 1 << 16;
/// sled's files are hardly smaller than an extent: closing a drained segment of fewer than these gives nothing back.
const LEAST_DRAINED_EXTENTS: u64 = 4;
/// Opening a log makes it grow by one at most. The active segment and the draining one are opened between two looks at
/// the quota, where the program was killed between them.
const OPENED_EXTENTS: u64 = 2;

impl Shared {
    pub(super) fn check_floor(&self, writer: &mut Writer) -> Result<(), AppendError> {
        if writer.free_space_at.is_some_and(|at| at.elapsed() < FREE_SPACE_EVERY) {
            return Ok(());
        }
        let dir = &self.settings.dir;
        let free_bytes = disk::free_bytes(dir).map_err(BufferError::disk(dir))?;
        let floor_bytes = self.settings.min_free_bytes.max(LEAST_FREE_BYTES);
        if free_bytes < floor_bytes {
            return Err(AppendError::BelowFloor { free_bytes, floor_bytes });
        }
        self.reserve.take().map_err(BufferError::disk(dir))?;
        writer.free_space_at = Some(Instant::now());
        Ok(())
    }

    pub(super) fn is_to_be_closed(&self) -> bool {
        let books = self.books();
        let Some(active) = books.segments.back() else { return false };
        let drained_bytes =
            (self.settings.segment_bytes / DRAINED_PART).max(LEAST_DRAINED_EXTENTS * self.extent().bytes());
        let drained = books.state.confirmed >= active.last && active.bytes >= drained_bytes;
        let full = active.bytes >= self.settings.segment_bytes;
        let commits = (active.last.0 + 1).saturating_sub(active.first.0);
        commits > 0 && (full || drained || commits >= MAX_SEGMENT_COMMITS - MOST_COMMITS_OF_A_GROUP)
    }

    /// Closes the active segment and begins the next one.
    pub(super) fn roll(
        &self,
        writer: &mut Writer,
        active: &Arc<Segment>,
    ) -> Result<Arc<Segment>, AppendError> {
        let Some(mut closed) = self.books().segments.back().cloned() else { return Ok(Arc::clone(active)) };
        let next = self.create_segment()?;
        let dir = self.segment_dir(closed.first);
        closed.bytes = disk::bytes_below(&dir);
        seal::write(&dir, &closed).map_err(BufferError::disk(&dir))?;
        self.books().note_bytes(closed.first, disk::bytes_below(&dir));
        // Closed before the next one is booked: from then on the hub's confirmation may remove it.
        self.book_segment(&next);
        writer.active = Some(Arc::clone(&next));
        self.remove_confirmed()?;
        Ok(next)
    }

    pub(super) fn make_room(
        &self,
        writer: &mut Writer,
        active: Arc<Segment>,
        entry_bytes: u64,
    ) -> Result<Arc<Segment>, AppendError> {
        let mut active = active;
        let room = self.room_to_keep() + self.extent().growth(entry_bytes);
        while self.books().bytes() + room > self.settings.quota_bytes {
            if self.settings.policy == FullPolicy::Block {
                if !self.has_drained_active() {
                    return Err(AppendError::Full);
                }
                active = self.roll(writer, &active)?;
                continue;
            }
            let (oldest, count, empty) = {
                let books = self.books();
                let Some(oldest) = books.segments.front() else { return Ok(active) };
                (oldest.first, books.segments.len(), oldest.last < oldest.first)
            };
            if count > 1 {
                self.evict(oldest)?;
            } else if empty {
                return Ok(active);
            } else {
                active = self.roll(writer, &active)?;
            }
        }
        Ok(active)
    }

    /// Tells whether the hub has all of the active segment, and there is something in it.
    fn has_drained_active(&self) -> bool {
        let books = self.books();
        books
            .segments
            .back()
            .is_some_and(|active| active.last >= active.first && active.last <= books.state.confirmed)
    }

    /// The extent of new segments.
    pub(super) fn extent(&self) -> Extent {
        Extent::for_segments(self.settings.segment_bytes)
    }

    /// The longest entries that the quota can hold at once, beside what it keeps clear.
    pub(super) fn most_entry_bytes(&self) -> u64 {
        let empty_segment = self.extent().bytes();
        let room = self.settings.quota_bytes.saturating_sub(self.room_to_keep() + empty_segment);
        self.extent().entry_within(room)
    }

    /// What segments may grow by while they are opened, and what a frozen form takes beside its log.
    fn room_to_keep(&self) -> u64 {
        let segment_bytes = self.settings.segment_bytes;
        let beside = self.settings.freeze_after.map_or(0, |_| segment_bytes / FROZEN_PART);
        OPENED_EXTENTS * self.extent().bytes() + beside
    }

    fn evict(&self, first: CommitNumber) -> Result<(), BufferError> {
        let before = self.books().state.evicted;
        let Some(dropped) = self.books().drop_segment(first, GapReason::Evicted) else { return Ok(()) };
        let readings = self.books().state.evicted - before;
        self.books().note_missing(&dropped, readings, GapReason::Evicted);
        tracing::error!(segment = first.0, readings, "quota reached, oldest segment dropped");
        // The books first: a segment that is gone without them would look like a loss.
        self.persist_books()?;
        self.forget(first);
        self.remove_segment(first)
    }
}
