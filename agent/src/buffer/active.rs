//! The active segment: opened at start-up and after every fault, with what it holds beyond what the books know.

use std::path::Path;
use std::sync::Arc;

use penstock_shared::batch::GapReason;
use penstock_shared::id::CommitNumber;

use super::books::SegmentInfo;
use super::entry::Totals;
use super::error::{AppendError, BufferError};
use super::express::Span;
use super::rescue::Stock;
use super::room::MAX_SEGMENT_COMMITS;
use super::segment::{Segment, SegmentError};
use super::write::Writer;
use super::{Fault, Shared, disk, locked, seal, segment_dirs};

impl Shared {
    /// Opens the newest segment for appending. Where the disk refuses, the agent starts all the same: it drains, and
    /// tries again with the first delivery.
    pub(super) fn start_active(&self) {
        let mut writer = locked(&self.writer);
        let started = self.recover_active(&mut writer);
        if let Err(error) = started {
            self.set_fault(Fault::Disk, format!("refusing new readings: {error}"));
        }
    }

    /// Opens the newest segment, or a new one, and books what it holds beyond what the books know.
    pub(super) fn recover_active(&self, writer: &mut Writer) -> Result<Arc<Segment>, AppendError> {
        let active = self.newest_segment(writer.suspect)?;
        writer.recovered = true;
        if writer.suspect {
            // The life before had a write fail in it.
            let first = active.first();
            drop(active);
            self.forget(first);
            return self.begin_anew(writer);
        }
        writer.active = Some(Arc::clone(&active));
        writer.reopen_at = None;
        Ok(active)
    }

    fn newest_segment(&self, suspect: bool) -> Result<Arc<Segment>, SegmentError> {
        let segments_dir = self.segments_dir();
        let newest = segment_dirs::list(&segments_dir).map_err(SegmentError::disk(&segments_dir))?.pop();
        if let Some(first) = newest {
            match self.adopt(first, suspect) {
                Err(error) if !error.is_retryable() => {
                    let through = self.trusted(suspect);
                    if self.rescue(first, through, &error).map_err(into_segment_error)? {
                        return self.newest_segment(suspect);
                    }
                    self.quarantine_segment(first, &error).map_err(into_segment_error)?;
                    self.leap_over(first);
                    // Before there is a segment behind the leap: it would not tell what was lost before it.
                    self.persist_books().map_err(into_segment_error)?;
                }
                Ok(segment) if self.is_too_wide(&segment) => {
                    self.books().segments.pop_back();
                }
                // What was saved of a damaged segment; a suspect one is closed by who asks.
                Ok(saved) if saved.is_frozen() && !suspect => {
                    drop(saved);
                    self.forget(first);
                    self.leap_behind_saved(first);
                    self.persist_books().map_err(into_segment_error)?;
                }
                outcome => return outcome,
            }
        }
        let segment = self.create_segment()?;
        self.book_segment(&segment);
        Ok(segment)
    }

    /// Tells whether a segment in which nothing is takes more than a new one in its place: the quota was made smaller.
    fn is_too_wide(&self, segment: &Segment) -> bool {
        let books = self.books();
        let is_empty = books.segments.back().is_some_and(|info| {
            info.last < info.first
                && info.first == segment.first()
                && segment.first() == books.state.last.next()
        });
        is_empty && segment.extent().is_some_and(|extent| extent > self.extent())
    }

    /// A suspect segment counts only as far as it was acknowledged.
    fn adopt(&self, first: CommitNumber, suspect: bool) -> Result<Arc<Segment>, SegmentError> {
        let dir = self.segment_dir(first);
        let segment = self.segment(first)?;
        let mut stock = Stock::take(&segment, &dir, self.trusted(suspect))?;
        // What was written but not fsynced before a crash of the program is in the file: fsync before it counts.
        segment.make_durable()?;
        seal::break_open(&dir).map_err(SegmentError::disk(&dir))?;
        let known =
            self.books().segments.iter().rev().find(|info| info.first < first).map(|info| info.end.readings);
        self.books().segments.retain(|info| info.first != first);
        let (state_last, state_totals) = {
            let books = self.books();
            (books.state.last, books.state.totals)
        };
        let empty = stock.info.last < first;
        let within = match empty {
            true => Vec::new(),
            false => self.note_holes_before(known.unwrap_or(0), &stock),
        };
        stock.info.readings_before -= within.iter().map(|hole| hole.readings).sum::<u64>();
        let info = stock.info;
        let info = if empty {
            // Empty although commits from here on are known: what they held is the difference to the one before.
            let readings = match state_last < first {
                true => state_totals.readings,
                false => self.books().readings_known_before(first),
            };
            empty_after(first.previous(), Totals { readings, ..state_totals }, info.bytes)
        } else {
            info
        };
        self.book_active(info, state_last, state_totals);
        within.into_iter().for_each(|hole| self.lose_hole(hole));
        self.lose_unknown(&stock.holes);
        Ok(segment)
    }

    /// Returns up to where commits count that are found behind what the books know.
    fn trusted(&self, suspect: bool) -> CommitNumber {
        if suspect { self.books().state.last } else { CommitNumber(u64::MAX) }
    }

    /// Books the active segment; what the state or the note knows of beyond it was acknowledged and is gone.
    fn book_active(&self, info: SegmentInfo, known_last: CommitNumber, known: Totals) {
        let mut books = self.books();
        let (last, end) = (info.last, info.end);
        books.segments.push_back(info);
        if last > known_last || (last == known_last && end.readings >= known.readings) {
            books.state.last = last;
            // Records may have been rejected since, without a commit.
            books.state.totals = Totals { rejected: end.rejected.max(known.rejected), ..end };
            return;
        }
        if last < known_last {
            let readings = known.readings.saturating_sub(end.readings);
            tracing::error!(
                first = last.0 + 1,
                last = known_last.0,
                readings,
                "acknowledged commits are gone"
            );
            let lost = Span {
                first: last.next(),
                readings_before: end.readings,
                last: known_last,
                readings_through: known.readings,
            };
            books.lose(lost, GapReason::Quarantined);
            let text = format!("commits {} to {known_last} are damaged or gone", last.next());
            drop(books);
            self.set_fault(Fault::Quarantine, text);
            books = self.books();
        }
        if let Some(active) = books.segments.back_mut() {
            active.last = known_last;
            active.end = known;
        }
    }

    /// Skips every number that the segment may have used of which this was saved: behind it acknowledged commits may be
    /// gone of which the books do not know.
    fn leap_behind_saved(&self, first: CommitNumber) {
        let mut books = self.books();
        let last = books.state.last;
        let leap = CommitNumber(first.0 + MAX_SEGMENT_COMMITS);
        if leap > last {
            books.lose_run(last.next(), leap, 0, GapReason::Quarantined);
            books.state.last = leap;
        }
    }

    /// Skips every number that a damaged active segment may have used: one used twice would be taken for a repeat.
    fn leap_over(&self, first: CommitNumber) {
        let mut books = self.books();
        books.segments.retain(|info| info.first != first);
        let leap = CommitNumber(first.0 + MAX_SEGMENT_COMMITS);
        let readings_known = books.readings_known_before(first);
        let readings_through = books.state.totals.readings;
        let lost = Span { first, readings_before: readings_known, last: leap, readings_through };
        books.lose(lost, GapReason::Quarantined);
        books.state.last = leap.max(books.state.last);
    }
}

fn empty_after(last: CommitNumber, totals: Totals, bytes: u64) -> SegmentInfo {
    SegmentInfo {
        first: last.next(),
        last,
        readings_before: totals.readings,
        end: totals,
        bytes,
        oldest_received_at: None,
        is_frozen: false,
    }
}

fn into_segment_error(error: BufferError) -> SegmentError {
    match error {
        BufferError::Segment(error) => error,
        BufferError::Disk { path, source } => SegmentError::Disk { path, source },
        BufferError::InUse(path) => SegmentError::Damaged { path, detail: "in use".to_owned() },
    }
}

/// Reads what a segment holds, at most `through`, from its first and last commits.
pub(super) fn survey(
    segment: &Segment,
    dir: &Path,
    through: CommitNumber,
) -> Result<SegmentInfo, SegmentError> {
    let first = segment.first();
    let bytes = disk::bytes_below(dir);
    let tail = segment.tail(through)?;
    let Some(last) = tail.last else {
        return Ok(SegmentInfo { bytes, ..empty_after(first.previous(), Totals::default(), 0) });
    };
    let Some(newest) = tail.newest_whole else {
        return Err(SegmentError::Damaged {
            path: dir.to_owned(),
            detail: "no commit reads back".to_owned(),
        });
    };
    let mut oldest = None;
    let mut probe = first;
    while probe <= last && oldest.is_none() {
        oldest = match segment.get(probe) {
            Err(error) if error.is_retryable() => return Err(error),
            found => found.ok().flatten(),
        };
        probe = probe.next();
    }
    let oldest = oldest.unwrap_or_else(|| newest.clone());
    Ok(SegmentInfo {
        first,
        last,
        readings_before: oldest.totals.readings.saturating_sub(oldest.commit.readings.len() as u64),
        end: newest.totals,
        bytes,
        oldest_received_at: Some(oldest.received_at),
        is_frozen: segment.is_frozen(),
    })
}
