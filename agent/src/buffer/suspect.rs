//! What follows a write or fsync that failed: the segment is not trusted with anything more.
//!
//! After a failed fsync Linux counts the pages as clean. The next fsync succeeds without them, and until the page cache
//! drops them every reader sees what the disk does not have: to try again, or to open the segment and go on where it
//! seems to end, would acknowledge what a power cut takes. So the segment is closed at its last acknowledged commit,
//! what the cache holds of it is dropped, and what was not acknowledged is written anew into a new segment. What the
//! disk may have of it beyond that commit is never read: the next segment's name says where it ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_shared::id::CommitNumber;

use super::books::SegmentInfo;
use super::error::{AppendError, BufferError};
use super::segment::{Segment, SegmentError};
use super::write::{Noted, Writer};
use super::{Shared, disk, locked, seal, segment_dirs};

/// After a failure a segment is begun or opened again at most this often.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// So long after a failure nothing that cannot be read is called lost.
const JUDGE_NOTHING: Duration = Duration::from_secs(10);

/// What is to be believed of what the disk shows.
#[derive(Default)]
pub(super) struct Trust {
    failed_at: Option<Instant>,
    /// Segments that were opened afresh, since the last failure, because something in them could not be read.
    opened_afresh: BTreeSet<CommitNumber>,
}

impl Writer {
    /// Puts off the next attempt.
    pub(super) fn wait(&mut self, reason: String) {
        self.reopen_at = Some((Instant::now() + REOPEN_EVERY, reason));
    }
}

impl Shared {
    /// Takes the active segment out of use. What was acknowledged of it stays to be sent.
    pub(super) fn distrust_active(&self, writer: &mut Writer, reason: String) {
        tracing::error!(reason, "write failed, segment is closed at its last acknowledged commit");
        writer.suspect = true;
        writer.wait(reason);
        if let Some(active) = writer.active.take() {
            let first = active.first();
            drop(active);
            self.forget(first);
        }
        self.note_failure();
        self.note_suspicion();
    }

    pub(super) fn note_failure(&self) {
        *locked(&self.trust) = Trust { failed_at: Some(Instant::now()), ..Trust::default() };
    }

    /// Tells whether what the disk shows is in doubt at present.
    pub(super) fn has_failed_lately(&self) -> bool {
        locked(&self.trust).failed_at.is_some_and(|at| at.elapsed() < JUDGE_NOTHING)
    }

    /// Tells whether a segment in which something cannot be read is to be read again before that counts as lost: a disk
    /// that fails shows less than it has, and a database that was open meanwhile remembers that.
    ///
    /// # Errors
    /// With `error` as one that may pass, while the disk fails.
    pub(super) fn is_to_be_read_again(
        &self,
        first: CommitNumber,
        error: &SegmentError,
    ) -> Result<bool, SegmentError> {
        let is_active = self.books().segments.back().is_some_and(|active| active.first == first);
        {
            let mut trust = locked(&self.trust);
            if trust.failed_at.is_some_and(|at| at.elapsed() < JUDGE_NOTHING) {
                let source = std::io::Error::other(format!("disk failed lately, and now: {error}"));
                return Err(SegmentError::Disk { path: self.segment_dir(first), source });
            }
            if is_active || !trust.opened_afresh.insert(first) {
                return Ok(false);
            }
        }
        self.forget(first);
        Ok(true)
    }

    /// Notes for the next start, should this process end before there is a new segment.
    pub(super) fn note_suspicion(&self) {
        if let Err(error) = self.note_standing(true) {
            tracing::debug!(%error, "suspicion is not noted");
        }
    }

    fn note_standing(&self, suspect: bool) -> std::io::Result<()> {
        let noted = {
            let state = &self.books().state;
            Noted { epoch: state.epoch, last: state.last, totals: state.totals, suspect }
        };
        self.note.write(&noted)
    }

    /// Closes the segment that failed and begins a new one.
    pub(super) fn begin_anew(&self, writer: &mut Writer) -> Result<Arc<Segment>, AppendError> {
        let suspect = self.books().segments.back().cloned();
        if let Some(mut info) = suspect {
            let dir = self.segment_dir(info.first);
            if info.last < info.first {
                self.books().segments.pop_back();
            } else {
                info.bytes = disk::bytes_below(&dir);
                // What was saved of a damaged one stays open to be taken stock of (`rescue`).
                if !info.is_frozen {
                    seal::write(&dir, &info).map_err(BufferError::disk(&dir))?;
                }
                self.books().note_bytes(info.first, disk::bytes_below(&dir));
            }
        }
        let next = self.create_segment()?;
        self.book_segment(&next);
        // On the disk before anything is acknowledged in there: a note of suspicion that comes back would cost that.
        self.note_standing(false).map_err(BufferError::disk(&self.settings.dir))?;
        self.persist_books()?;
        writer.active = Some(Arc::clone(&next));
        writer.suspect = false;
        writer.reopen_at = None;
        self.remove_confirmed()?;
        Ok(next)
    }

    /// Books a segment that was just created as the active one.
    pub(super) fn book_segment(&self, segment: &Segment) {
        let mut books = self.books();
        let (first, last, totals) = (segment.first(), books.state.last, books.state.totals);
        let fresh = SegmentInfo {
            first,
            last,
            readings_before: totals.readings,
            end: totals,
            bytes: segment.data_bytes(),
            oldest_received_at: None,
            is_frozen: false,
        };
        books.segments.push_back(fresh);
    }

    /// Creates the segment behind the last commit, whose numbers were never acknowledged. What an attempt that failed left under its name is
    /// removed first: a later fsync of the same files would succeed without what the first one lost.
    pub(super) fn create_segment(&self) -> Result<Arc<Segment>, SegmentError> {
        let first = self.books().state.last.next();
        let dir = self.segment_dir(first);
        if dir.exists() {
            self.forget(first);
            segment_dirs::remove(&self.segments_dir(), first).map_err(SegmentError::disk(&dir))?;
        }
        disk::create_dir_durable(&dir).map_err(SegmentError::disk(&dir))?;
        self.segment(first)
    }
}
