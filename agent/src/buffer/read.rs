//! The way out: runs of consecutive commits for the forwarder, with what is missing before them.

use std::sync::Arc;

use penstock_shared::batch::{Gap, GapReason};
use penstock_shared::id::{CommitNumber, Epoch};

use super::books::SegmentInfo;
use super::entry::{EntryError, StoredCommit};
use super::error::BufferError;
use super::express::{Lane, Span};
use super::segment::{Segment, SegmentError};
use super::{Buffer, Fault, Shared, locked};

/// After this many unreadable commits in a row the rest of the segment is given up.
const HOPELESS_COMMITS: u64 = 1024;

/// How much a run may hold. A run stops after the commit that reaches a limit and never exceeds the caps.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Enough readings.
    pub readings: usize,
    /// The most readings, but for one commit alone.
    pub readings_cap: usize,
    /// The most bytes of texts, but for one commit alone.
    pub text_bytes_cap: usize,
    /// The most commits.
    pub commits: usize,
}

/// Consecutive commits.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// The epoch under which the lane goes to the hub.
    pub epoch: Epoch,
    /// What is missing between where the reader stood and the first commit.
    pub gaps: Vec<Gap>,
    /// The commits; none when there is nothing to read.
    pub commits: Vec<StoredCommit>,
    /// Whether a cap ended it, or the number of commits, and not for want of more.
    pub is_cut: bool,
}

impl Buffer {
    /// Reads a run of a lane from `from` on. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses. Damage is no error: what cannot be read is declared as a gap, counted as evicted, and
    /// its segment kept aside for the operator.
    pub fn read(&self, lane: Lane, from: CommitNumber, limits: &ReadLimits) -> Result<Run, BufferError> {
        let shared = &*self.shared;
        let last = shared.books().state.last;
        let mut commits: Vec<StoredCommit> = Vec::new();
        let mut next = from;
        let mut size = Size::default();
        let mut is_cut = false;
        while next <= last && commits.len() < limits.commits && size.readings < limits.readings {
            match shared.step(lane, next)? {
                Step::Skip(further) if commits.is_empty() => next = further,
                Step::Skip(_) | Step::End => break,
                Step::Commit(stored) => {
                    size.add(&stored);
                    let too_much =
                        size.readings > limits.readings_cap || size.text_bytes > limits.text_bytes_cap;
                    if too_much && !commits.is_empty() {
                        is_cut = true;
                        break;
                    }
                    next = stored.commit.number.next();
                    commits.push(*stored);
                    is_cut = commits.len() >= limits.commits && next <= last;
                }
            }
        }
        let Some(first) = commits.first() else { return Ok(shared.empty_run(lane)) };
        let before = first.commit.number.previous();
        let gaps = if from <= before { shared.books().declare(lane, from, before) } else { Vec::new() };
        Ok(Run { epoch: shared.epoch_of(lane), gaps, commits, is_cut })
    }
}

#[derive(Default)]
struct Size {
    readings: usize,
    text_bytes: usize,
}

impl Size {
    fn add(&mut self, stored: &StoredCommit) {
        self.readings += stored.commit.readings.len();
        self.text_bytes += stored.rough_bytes(0);
    }
}

enum Step {
    Commit(Box<StoredCommit>),
    /// Nothing before this number can be read.
    Skip(CommitNumber),
    /// Nothing more is there.
    End,
}

impl Shared {
    fn empty_run(&self, lane: Lane) -> Run {
        Run { epoch: self.epoch_of(lane), gaps: Vec::new(), commits: Vec::new(), is_cut: false }
    }

    fn epoch_of(&self, lane: Lane) -> Epoch {
        let epoch = self.books().state.epoch;
        match lane {
            Lane::Main => epoch,
            Lane::Express => epoch.other_lane(),
        }
    }

    fn step(&self, lane: Lane, number: CommitNumber) -> Result<Step, BufferError> {
        let info = {
            let books = self.books();
            let (of, end) = books.state.express.lane_of(number);
            if of != lane {
                return Ok(if end < books.state.last { Step::Skip(end.next()) } else { Step::End });
            }
            if let Some(end) = books.gap_end(number) {
                return Ok(Step::Skip(end.next()));
            }
            books.segment_at(number).cloned()
        };
        let Some(info) = info else { return Ok(Step::End) };
        if number < info.first {
            return Ok(Step::Skip(info.first));
        }
        let segment = match self.draining(info.first) {
            Ok(segment) => segment,
            Err(_) if self.is_gone(info.first) => return self.step(lane, number),
            Err(error) if error.is_retryable() => {
                self.note_failure();
                return Err(error.into());
            }
            Err(error) if self.is_to_be_read_again(info.first, &error)? => return self.step(lane, number),
            Err(error) if self.rescue_closed(&info, &error)? => return self.step(lane, number),
            Err(error) => return self.give_up(&info, number, &error),
        };
        let error = match segment.get(number) {
            Ok(Some(stored)) => return Ok(Step::Commit(Box::new(stored))),
            _ if self.is_gone(info.first) => return self.step(lane, number),
            Err(error) if error.is_retryable() => {
                self.note_failure();
                return Err(error.into());
            }
            Ok(None) => SegmentError::Entry { number, source: EntryError::Missing },
            Err(error) => error,
        };
        drop(segment);
        if self.is_to_be_read_again(info.first, &error)? {
            return self.step(lane, number);
        }
        if self.rescue_closed(&info, &error)? {
            return self.step(lane, number);
        }
        let segment = self.draining(info.first)?;
        self.skip_damaged(&segment, &info, number, &error.to_string())
    }

    /// Tells whether a segment was evicted, or confirmed, since the books named it.
    fn is_gone(&self, first: CommitNumber) -> bool {
        self.books().place_of(first).is_none()
    }

    /// Returns a segment open for reading out, in place of the one that was before.
    pub(super) fn draining(&self, first: CommitNumber) -> Result<Arc<Segment>, SegmentError> {
        if self.books().segments.back().is_some_and(|active| active.first == first) {
            // Open anyway: whoever drains another one beside it must not have to open that again and again.
            return self.segment(first);
        }
        let mut draining = locked(&self.draining);
        if let Some(segment) = draining.as_ref().filter(|segment| segment.first() == first) {
            return Ok(Arc::clone(segment));
        }
        // The one before is let go first: no more than one segment is open beside the active one.
        *draining = None;
        let segment = self.segment(first)?;
        *draining = Some(Arc::clone(&segment));
        Ok(segment)
    }

    /// Declares the commits from `number` to the next readable one as lost.
    fn skip_damaged(
        &self,
        segment: &Segment,
        info: &SegmentInfo,
        number: CommitNumber,
        detail: &str,
    ) -> Result<Step, BufferError> {
        let mut whole = None;
        let mut probe = segment.behind(number);
        let mut probed = 0;
        while probe <= info.last && probed < HOPELESS_COMMITS {
            match segment.get(probe) {
                Ok(Some(stored)) => {
                    whole = Some(stored);
                    break;
                }
                Err(error) if error.is_retryable() => return Err(error.into()),
                Ok(None) | Err(_) => probe = segment.behind(probe),
            }
            probed += 1;
        }
        let (last, readings_through) = match &whole {
            Some(stored) => {
                let own = stored.commit.readings.len() as u64;
                (stored.commit.number.previous(), stored.totals.readings.saturating_sub(own))
            }
            None => (info.last, info.end.readings),
        };
        self.declare_lost(info, number, last, readings_through, detail)?;
        Ok(Step::Skip(last.next()))
    }

    fn give_up(
        &self,
        info: &SegmentInfo,
        from: CommitNumber,
        error: &SegmentError,
    ) -> Result<Step, BufferError> {
        self.declare_lost(info, from, info.last, info.end.readings, &error.to_string())?;
        Ok(Step::Skip(info.last.next()))
    }

    fn declare_lost(
        &self,
        info: &SegmentInfo,
        first: CommitNumber,
        last: CommitNumber,
        readings_through: u64,
        detail: &str,
    ) -> Result<(), BufferError> {
        let before = self.readings_before(info, first)?;
        let readings = readings_through.saturating_sub(before);
        tracing::error!(
            segment = info.first.0,
            first = first.0,
            last = last.0,
            readings,
            detail,
            "commits lost to damage"
        );
        self.set_fault(Fault::Quarantine, format!("segment {} is damaged, see quarantine/", info.first));
        let lost = Span { first, readings_before: before, last, readings_through };
        {
            let mut books = self.books();
            let evicted = books.state.evicted;
            books.lose(lost, GapReason::Quarantined);
            let readings = books.state.evicted - evicted;
            books.note_missing(info, readings, GapReason::Quarantined);
        }
        locked(&self.damaged).insert(info.first);
        self.persist_books()
    }

    /// Returns C before `number`, from the nearest commit before it that tells.
    fn readings_before(&self, info: &SegmentInfo, number: CommitNumber) -> Result<u64, BufferError> {
        let mut in_gaps = 0;
        let mut at = number.previous();
        while at >= info.first {
            if let Some(readings) = self.readings_through(at)? {
                return Ok(readings + in_gaps);
            }
            let gap =
                self.books().state.gaps.iter().find(|gap| (gap.first..=gap.last).contains(&at)).copied();
            if let Some(gap) = gap {
                in_gaps += gap.readings;
                at = gap.first;
            }
            at = at.previous();
        }
        let confirmed = self.books().state.confirmed_readings;
        Ok((info.readings_before + in_gaps).max(confirmed))
    }
}
