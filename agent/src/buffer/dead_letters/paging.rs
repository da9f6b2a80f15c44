//! Dead letters for an operator: pages of them, and one by its number.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use penstock_shared::id::CommitNumber;

use super::{DeadLetters, decode};
use crate::buffer::replays::Replay;
use crate::buffer::segment::{Segment, SegmentError};
use crate::buffer::segment_dirs;
use crate::delivery::DeadLetter;

/// Some of the dead letters, the oldest of them first.
#[derive(Debug, Default)]
pub struct LetterPage {
    /// The letters with their numbers.
    pub letters: Vec<(u64, DeadLetter)>,
    /// How many there are before these.
    pub older: u64,
    /// What could not be read, and why.
    pub damaged: Vec<String>,
}

impl DeadLetters {
    /// Returns the newest letters with numbers below `before`, at most `limit`.
    pub(in crate::buffer) fn page(&mut self, before: u64, limit: usize) -> Result<LetterPage, SegmentError> {
        let mut page = LetterPage::default();
        let mut kept: VecDeque<(u64, DeadLetter)> = VecDeque::new();
        for first in self.firsts()? {
            if first.0 >= before {
                break;
            }
            let mut found = Vec::new();
            if let Err(error) = self.scan(first, first.0, &mut |number, letter| {
                found.push((number, letter));
                ControlFlow::Continue(())
            }) {
                if error.is_retryable() {
                    return Err(error);
                }
                page.damaged.push(error.to_string());
            }
            for (number, letter) in found {
                if number < before && !self.is_replayed(number)? {
                    kept.push_back((number, letter));
                }
                if kept.len() > limit {
                    kept.pop_front();
                    page.older += 1;
                }
            }
        }
        page.letters = kept.into();
        Ok(page)
    }

    /// Returns the letter of a number; none when it is not there, or was sent again.
    pub(in crate::buffer) fn get(&mut self, number: u64) -> Result<Option<DeadLetter>, SegmentError> {
        let holder = self.firsts()?.into_iter().rfind(|first| first.0 <= number);
        let Some(first) = holder else { return Ok(None) };
        if self.is_replayed(number)? {
            return Ok(None);
        }
        let mut wanted = None;
        // A group stands under its first letter's number, and is never longer than this.
        let from = number.saturating_sub(super::MAX_GROUP_LETTERS as u64).max(first.0);
        self.scan(first, from, &mut |at, letter| {
            if at < number {
                return ControlFlow::Continue(());
            }
            wanted = Some(letter).filter(|_| at == number);
            ControlFlow::Break(())
        })?;
        Ok(wanted)
    }

    fn is_replayed(&mut self, number: u64) -> Result<bool, SegmentError> {
        self.replays.is_done(Replay::Letter(number)).map_err(SegmentError::disk(&self.dir))
    }

    fn firsts(&self) -> Result<Vec<CommitNumber>, SegmentError> {
        segment_dirs::list(&self.dir).map_err(SegmentError::disk(&self.dir))
    }

    fn scan(
        &self,
        first: CommitNumber,
        from: u64,
        visit: &mut impl FnMut(u64, DeadLetter) -> ControlFlow<()>,
    ) -> Result<(), SegmentError> {
        match &self.active {
            Some((active, _)) if active.first() == first => scan(active, from, visit),
            _ => scan(&self.open(first)?, from, visit),
        }
    }
}

fn scan(
    segment: &Segment,
    from: u64,
    visit: &mut impl FnMut(u64, DeadLetter) -> ControlFlow<()>,
) -> Result<(), SegmentError> {
    let mut number = segment.next_at(CommitNumber(from))?;
    while let Some(at) = number {
        let letters = segment.get_bytes(at)?.and_then(|bytes| decode(&bytes)).unwrap_or_default();
        for (place, letter) in letters.into_iter().enumerate() {
            if visit(at.0 + place as u64, letter).is_break() {
                return Ok(());
            }
        }
        number = segment.next_at(at.next())?;
    }
    Ok(())
}
