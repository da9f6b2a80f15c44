//! The way out of the books: what the hub confirms, refuses, or turns out to lack.

use std::time::Duration;

use penstock_shared::batch::{Gap, GapReason};
use penstock_shared::id::CommitNumber;

use super::books::SentCommit;
use super::error::BufferError;
use super::express::Lane;
use super::segment::SegmentError;
use super::{Buffer, Shared, locked, segment_dirs};
use crate::delivery::DeadLetter;

/// How often confirmations are written down. Losing the latest is harmless: the agent sends the commits again and the
/// hub answers that it has them.
const STATE_EVERY: Duration = Duration::from_secs(1);

impl Buffer {
    /// Takes note that the hub has every commit of a lane through `through`, and gives back the disk of whole
    /// segments. `sent` are the commits of the batch that was answered. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses; the confirmation itself is kept.
    pub fn confirm(&self, lane: Lane, through: CommitNumber, sent: &[SentCommit]) -> Result<(), BufferError> {
        let shared = &*self.shared;
        shared.leap_behind(through)?;
        let (through, readings_through) = shared.settle(lane, through, sent)?;
        shared.books().confirm(lane, through, readings_through, sent);
        shared.remove_confirmed()?;
        if locked(&shared.state_file).written_at.elapsed() >= STATE_EVERY {
            shared.persist_books()?;
        }
        Ok(())
    }

    /// Sets a commit aside that the hub will never accept: its readings become dead letters, and the next batch
    /// declares the gap. Durable when it returns. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses; then nothing has changed, or only some letters are there twice.
    pub fn refuse(&self, commit: &SentCommit, letters: &[DeadLetter]) -> Result<(), BufferError> {
        let shared = &*self.shared;
        locked(&shared.dead_letters).append(letters, &shared.quarantine)?;
        let readings = u64::from(commit.readings);
        shared.books().lose_run(commit.number, commit.number, readings, GapReason::Refused);
        shared.persist_books()
    }

    /// Writes the books down. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn checkpoint(&self) -> Result<(), BufferError> {
        self.shared.persist_books()
    }
}

impl Shared {
    /// Returns the last commit up to which an answer in a lane can be booked, and C there.
    fn settle(
        &self,
        lane: Lane,
        through: CommitNumber,
        sent: &[SentCommit],
    ) -> Result<(CommitNumber, u64), BufferError> {
        if let Some(commit) = sent.iter().rev().find(|commit| commit.number == through) {
            return Ok((through, commit.readings_through));
        }
        let (last, readings, confirmed, confirmed_readings, limit) = {
            let books = self.books();
            let (confirmed, confirmed_readings) = books.confirmed(lane);
            let overtaken =
                books.state.express.open_run().map(|run| (run.first.previous(), run.readings_before));
            let limit = overtaken.filter(|_| lane == Lane::Main);
            (books.state.last, books.state.totals.readings, confirmed, confirmed_readings, limit)
        };
        let (last, readings) = limit.unwrap_or((last, readings));
        if through >= last {
            return Ok((last, readings));
        }
        let mut number = through;
        while number > confirmed {
            let (of, gap) = {
                let books = self.books();
                let holds = |gap: &&Gap| (gap.first..=gap.last).contains(&number);
                (books.state.express.lane_of(number).0, books.state.gaps.iter().find(holds).copied())
            };
            if let Some(gap) = gap {
                // Inside a gap C is unknown but at its end: nothing of it is booked before its end is confirmed.
                number = gap.first.previous();
                continue;
            }
            if of == lane
                && let Some(readings_through) = self.readings_through(number)?
            {
                return Ok((number, readings_through));
            }
            number = number.previous();
        }
        Ok((confirmed, confirmed_readings))
    }

    /// Returns C at a commit that is on the disk; none when it is not or is damaged.
    pub(super) fn readings_through(&self, number: CommitNumber) -> Result<Option<u64>, SegmentError> {
        let Some(info) = self.books().segment_at(number).cloned() else { return Ok(None) };
        if number < info.first {
            return Ok(None);
        }
        if number == info.last {
            return Ok(Some(info.end.readings));
        }
        match self.segment(info.first)?.get(number) {
            Ok(stored) => Ok(stored.map(|stored| stored.totals.readings)),
            Err(error) if error.is_retryable() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Removes from the disk what the hub has whole.
    pub(super) fn remove_confirmed(&self) -> Result<(), BufferError> {
        if !self.books().has_confirmed() {
            return Ok(());
        }
        // The books first: a segment that is gone without them would look like a loss.
        self.persist_books()?;
        let confirmed = self.books().take_confirmed();
        for info in confirmed {
            self.forget(info.first);
            self.remove_segment(info.first)?;
        }
        Ok(())
    }

    /// Removes a segment that the books no longer have; a damaged one is kept in the quarantine.
    pub(super) fn remove_segment(&self, first: CommitNumber) -> Result<(), BufferError> {
        let dir = self.segment_dir(first);
        let removed = if locked(&self.damaged).remove(&first) {
            self.quarantine.take(&dir)
        } else {
            segment_dirs::remove(&self.segments_dir(), first)
        };
        removed.map_err(BufferError::disk(&dir))
    }
}
