//! What is intact of a damaged segment takes its place, so that it is sent as if nothing had happened; the damaged one
//! goes to the quarantine, and what is not intact is declared lost.
//!
//! A crash at any moment leaves one or the other: what is saved is on the disk before the damaged segment is moved, and
//! what is moved without a successor gets it at the next start (`segment_dirs::sweep`). What is saved is a frozen
//! segment without a seal: its gaps are found, and declared where nobody knows of them, whenever stock is taken of it.

use std::collections::HashSet;

use penstock_shared::batch::GapReason;
use penstock_shared::id::CommitNumber;

use super::active::survey;
use super::books::SegmentInfo;
use super::entry;
use super::error::BufferError;
use super::express::Span;
use super::salvage::Salvage;
use super::segment::{self, Freezer, Segment, SegmentError};
use super::{Fault, Shared, disk, segment_dirs};

/// So many runs of commits are saved of a segment, the longest ones: each hole between them is a gap in the books, which
/// have room for some thousands.
const MOST_RUNS: usize = 500;

/// What a segment holds.
pub(super) struct Stock {
    pub(super) info: SegmentInfo,
    /// Whether its seal told, so that nobody opened it.
    pub(super) is_sealed: bool,
    /// Its first commit that is there.
    pub(super) oldest: CommitNumber,
    /// What is not there behind that.
    pub(super) holes: Vec<Span>,
}

/// A run of commits that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) first: CommitNumber,
    pub(super) last: CommitNumber,
    pub(super) readings: u64,
}

impl Stock {
    /// Takes stock of a segment that opens.
    pub(super) fn take(
        segment: &Segment,
        dir: &std::path::Path,
        through: CommitNumber,
    ) -> Result<Self, SegmentError> {
        let info = survey(segment, dir, through)?;
        if !segment.is_frozen() {
            return Ok(Self { is_sealed: false, oldest: info.first, info, holes: Vec::new() });
        }
        let oldest = segment.next_at(info.first)?.unwrap_or(info.first);
        let holes = holes(segment, oldest, info.readings_before, &info)?;
        Ok(Self { info, is_sealed: false, oldest, holes })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.info.last < self.info.first
    }
}

impl Shared {
    /// Puts what is intact of a damaged segment in its place. Returns whether anything is.
    ///
    /// # Errors
    /// When the disk refuses; then the segment is as it was, or replaced.
    pub(super) fn rescue(
        &self,
        first: CommitNumber,
        last: CommitNumber,
        error: &SegmentError,
    ) -> Result<bool, BufferError> {
        self.forget(first);
        let (segments_dir, dir) = (self.segments_dir(), self.segment_dir(first));
        if segment::is_frozen(&dir) {
            return Ok(false);
        }
        let saved = match self.save(first, last) {
            // A full disk is the likely reason, and the reserve is there for that.
            Err(_) => self.reserve.give_back().map_err(SegmentError::disk(&dir)).and_then(|()| {
                let saved = self.save(first, last);
                if let Err(error) = self.reserve.take() {
                    tracing::debug!(%error, "reserve is not back yet");
                }
                saved
            }),
            saved => saved,
        };
        let (commits, readings) = match saved {
            // It goes to the quarantine whole, from where it can be exported: a start must not wait for room.
            Err(SegmentError::Disk { path, source }) if source.kind() == std::io::ErrorKind::StorageFull => {
                tracing::error!(%source, path = %path.display(), "no room to save what is intact");
                return Ok(false);
            }
            saved => saved?,
        };
        if commits == 0 {
            return Ok(false);
        }
        tracing::error!(segment = first.0, %error, commits, readings, "segment is damaged, what is intact is saved");
        let taken = self.quarantine.take(&dir);
        if !dir.exists() {
            segment_dirs::put_in_place(&segments_dir, first).map_err(BufferError::disk(&dir))?;
        }
        taken.map_err(BufferError::disk(&dir))?;
        let text = format!(
            "segment {first} was damaged, {commits} commits of it with {readings} readings are saved"
        );
        self.set_fault(Fault::Saved, format!("{text}, see quarantine/"));
        Ok(true)
    }

    /// Writes what is intact of a segment beside it, and returns how many commits and readings that is.
    fn save(&self, first: CommitNumber, last: CommitNumber) -> Result<(u64, u64), SegmentError> {
        let dir = self.segment_dir(first);
        let saved = segment_dirs::saved(&self.segments_dir(), first);
        let salvage = Salvage::of(&dir, first..=last).map_err(SegmentError::disk(&dir))?;
        let Some(salvage) = salvage.filter(|salvage| salvage.numbers().next().is_some()) else {
            return Ok((0, 0));
        };
        let begin = || -> std::io::Result<()> {
            if saved.exists() {
                std::fs::remove_dir_all(&saved)?;
            }
            disk::create_dir_durable(&saved)
        };
        begin().map_err(SegmentError::disk(&saved))?;
        let mut freezer = Freezer::begin(&saved)?;
        let (mut commits, mut readings) = (0, 0);
        let kept = longest_runs(&salvage.numbers().collect::<Vec<_>>());
        for entry in salvage.entries(first) {
            let (number, bytes) = entry.map_err(SegmentError::disk(&dir))?;
            if !kept.contains(&number) {
                continue;
            }
            let stored = entry::decode(&bytes).map_err(|source| SegmentError::Entry { number, source })?;
            commits += 1;
            readings += stored.commit.readings.len() as u64;
            freezer.push(stored)?;
        }
        freezer.finish()?;
        Ok((commits, readings))
    }

    /// Does the same while the buffer is in use, with a closed segment. Returns whether it is another one now.
    pub(super) fn rescue_closed(
        &self,
        info: &SegmentInfo,
        error: &SegmentError,
    ) -> Result<bool, BufferError> {
        let first = info.first;
        let is_active = self.books().segments.back().is_some_and(|active| active.first == first);
        if is_active || info.is_frozen || !self.rescue(first, info.last, error)? {
            return Ok(false);
        }
        let segment = self.draining(first)?;
        let holes = holes(&segment, first, info.readings_before, info)?;
        let dir = self.segment_dir(first);
        let bytes = disk::bytes_below(&dir);
        let evicted = self.books().state.evicted;
        if let Some(info) = self.books().segments.iter_mut().find(|info| info.first == first) {
            (info.bytes, info.is_frozen) = (bytes, true);
        }
        self.lose_unknown(&holes);
        {
            let mut books = self.books();
            let readings = books.state.evicted - evicted;
            books.note_missing(info, readings, GapReason::Quarantined);
        }
        self.persist_books()?;
        Ok(true)
    }

    /// Declares what nobody knows of yet.
    pub(super) fn lose_unknown(&self, holes: &[Span]) {
        for hole in holes {
            let (unknown, mut readings) = self.books().unknown_in(*hole);
            for (first, last) in unknown {
                self.lose_hole(Hole { first, last, readings });
                readings = 0;
            }
        }
    }

    pub(super) fn lose_hole(&self, hole: Hole) {
        let Hole { first, last, readings } = hole;
        tracing::error!(first = first.0, last = last.0, readings, "commits are missing");
        self.books().lose_run(first, last, readings, GapReason::Quarantined);
    }

    /// Declares what is missing before `oldest`, the first commit that is there of a segment which begins with `first`
    /// and is not in the books yet. What of it lies in the segment is to be declared when that is in the books.
    pub(super) fn note_holes_before(&self, readings_known: u64, stock: &Stock) -> Vec<Hole> {
        let (first, oldest) = (stock.info.first, stock.oldest);
        let known = {
            let books = self.books();
            let known = books.segments.back().map_or(books.state.confirmed, |info| info.last);
            known.max(books.state.confirmed)
        };
        if known.next() >= oldest {
            return Vec::new();
        }
        let hole = Span {
            first: known.next(),
            readings_before: readings_known,
            last: oldest.previous(),
            readings_through: stock.info.readings_before,
        };
        let (unknown, mut readings) = self.books().unknown_in(hole);
        let mut within = Vec::new();
        for (from, to) in unknown {
            if from < first {
                self.lose_hole(Hole { first: from, last: to.min(first.previous()), readings });
                readings = 0;
            }
            if to >= first {
                within.push(Hole { first: from.max(first), last: to, readings });
                readings = 0;
            }
        }
        within
    }
}

/// Leaves out short runs where there are very many.
fn longest_runs(numbers: &[CommitNumber]) -> HashSet<CommitNumber> {
    let mut runs: Vec<_> = numbers.chunk_by(|before, number| before.next() == *number).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
    runs.into_iter().take(MOST_RUNS).flatten().copied().collect()
}

/// Returns what a segment does not hold from `from` on; `readings_before` is C before that.
fn holes(
    segment: &Segment,
    from: CommitNumber,
    readings_before: u64,
    info: &SegmentInfo,
) -> Result<Vec<Span>, SegmentError> {
    let totals_of = |number: CommitNumber| match segment.get(number) {
        Err(error) if error.is_retryable() => Err(error),
        // A frozen segment that is damaged itself: found where it is read.
        Err(_) | Ok(None) => Ok(None),
        Ok(Some(stored)) => Ok(Some((stored.totals.readings, stored.commit.readings.len() as u64))),
    };
    let mut holes = Vec::new();
    let mut expected = from;
    while expected <= info.last {
        let found = segment.next_at(expected)?.filter(|number| *number <= info.last);
        if found == Some(expected) {
            expected = expected.next();
            continue;
        }
        let before = match expected > from {
            true => totals_of(expected.previous())?.map(|(through, _)| through),
            false => Some(readings_before),
        };
        let through = match found {
            Some(number) => totals_of(number)?.map(|(through, own)| through.saturating_sub(own)),
            None => Some(info.end.readings),
        };
        if let (Some(readings_before), Some(readings_through)) = (before, through) {
            let last = found.map_or(info.last, CommitNumber::previous);
            holes.push(Span { first: expected, readings_before, last, readings_through });
        }
        expected = found.map_or(info.last.next(), CommitNumber::next);
    }
    Ok(holes)
}
