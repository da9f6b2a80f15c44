//! What is told of segments that are damaged: which of their commits are intact, and those themselves.

use std::ops::RangeInclusive;

use penstock_shared::id::CommitNumber;

use super::super::salvage::{self, Salvage};
use super::super::segment::{self, Segment, SegmentError};
use super::super::{BufferError, Shared, entry, locked};
use super::{CommitPage, READING_BYTES, Verified, damage, page};

const ALL: RangeInclusive<CommitNumber> = CommitNumber::NONE..=CommitNumber(u64::MAX);

impl Shared {
    /// Tells what is wrong with the files of an open segment, which commits need not be concerned by.
    pub(super) fn damage_of(&self, segment: &Segment) -> Result<Option<String>, BufferError> {
        let first = segment.first();
        let is_active = self.books().segments.back().is_some_and(|active| active.first == first);
        if is_active || segment.is_frozen() {
            return Ok(None);
        }
        let dir = self.segment_dir(first);
        let breaks = salvage::look(&dir).map_err(BufferError::disk(&dir))?.breaks;
        Ok((breaks > 0).then(|| format!("log is broken in {breaks} places")))
    }

    /// Reads what is intact of a segment that does not open.
    pub(super) fn verify_damaged(
        &self,
        first: CommitNumber,
        last: CommitNumber,
        error: &SegmentError,
    ) -> Result<Verified, BufferError> {
        let dir = self.segment_dir(first);
        let mut verified = Verified { damage: Some(damage(error)), ..Verified::default() };
        let salvage = Salvage::of(&dir, first..=last).map_err(BufferError::disk(&dir))?;
        let mut expected = first;
        for entry in salvage.iter().flat_map(|salvage| salvage.entries(first)) {
            let (number, bytes) = entry.map_err(BufferError::disk(&dir))?;
            let Ok(stored) = entry::decode(&bytes) else { continue };
            verified.commits += 1;
            verified.readings += stored.commit.readings.len() as u64;
            self.note_lost(&mut verified, expected, number.previous());
            expected = number.next();
        }
        self.note_lost(&mut verified, expected, last);
        Ok(verified)
    }

    fn note_lost(&self, verified: &mut Verified, first: CommitNumber, last: CommitNumber) {
        if first <= last && self.books().gap_end(first).is_none_or(|end| end < last) {
            verified.note(first, last, "not intact".to_owned());
        }
    }

    /// Reads commits of a quarantined segment, which stays as it is.
    pub(super) fn set_aside_page(
        &self,
        name: &str,
        from: CommitNumber,
        most_bytes: usize,
    ) -> Result<CommitPage, BufferError> {
        let origin = self.quarantine_dir().join(name);
        let on_disk = |error| BufferError::disk(&origin)(error);
        if name.contains('/') || name.starts_with('.') || !origin.is_dir() {
            return Err(on_disk(std::io::ErrorKind::NotFound.into()));
        }
        if segment::is_frozen(&origin) {
            let segment = Segment::open(&origin, CommitNumber::NONE)?;
            let last = segment.last_number(CommitNumber(u64::MAX))?.unwrap_or(CommitNumber::NONE);
            return Ok(page(&segment, from, last, most_bytes)?);
        }
        let mut looked_at = locked(&self.looked_at);
        if from == CommitNumber::NONE || looked_at.as_ref().is_none_or(|(of, _)| of != name) {
            *looked_at =
                Salvage::of(&origin, ALL).map_err(on_disk)?.map(|salvage| (name.to_owned(), salvage));
        }
        let Some((_, salvage)) = &*looked_at else { return Ok(CommitPage::default()) };
        let mut page = CommitPage::default();
        if from == CommitNumber::NONE {
            page.damaged = salvage.gaps().map(|(first, last)| last.0 + 1 - first.0).sum();
        }
        let mut bytes = 0;
        for entry in salvage.entries(from) {
            let (number, entry) = entry.map_err(on_disk)?;
            if bytes >= most_bytes {
                page.next = Some(number);
                return Ok(page);
            }
            match entry::decode(&entry) {
                Ok(stored) => {
                    bytes += stored.rough_bytes(READING_BYTES);
                    page.commits.push((stored, false));
                }
                Err(_) => page.damaged += 1,
            }
        }
        *looked_at = None;
        Ok(page)
    }
}
