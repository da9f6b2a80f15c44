//! What could not become a reading or was refused by the hub, kept for the operator, bounded in bytes.
//!
//! Letters are numbered from 1; a group that is stored together is one entry under its first letter's number, and a
//! segment is named after its first letter. So the oldest segment's name tells how many letters the bound dropped.

mod paging;

use std::path::PathBuf;

use penstock_shared::id::CommitNumber;
use xxhash_rust::xxh3::xxh3_64;

use super::disk;
use super::extent::Extent;
use super::quarantine::Quarantine;
use super::replays::Replays;
use super::segment::{Segment, SegmentError};
use super::segment_dirs;
use crate::delivery::DeadLetter;
pub use paging::LetterPage;

const GROUP_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;
/// A group is split beyond this, so that no entry has more pieces than a key can number.
const MAX_GROUP_LETTERS: usize = 256;
/// The bound is kept by dropping whole segments, so there must be some.
const SEGMENTS: u64 = 4;
/// Where the last number of a damaged segment is unknown, numbers go on this far ahead.
const NUMBER_LEAP: u64 = 1 << 32;

/// Returns the extent of new segments of letters that may take `limit_bytes`.
pub(super) fn extent(limit_bytes: u64) -> Extent {
    Extent::for_segments(limit_bytes / SEGMENTS)
}

/// The dead letters of one buffer.
pub(super) struct DeadLetters {
    dir: PathBuf,
    limit_bytes: u64,
    /// Opened with the first letter: most gateways never have one.
    active: Option<(Segment, u64)>,
    /// Whether a write to the newest segment has failed, so that nothing more may go there.
    suspect: bool,
    /// The number behind the last letter that is known to be on the disk, where it is known.
    durable_next: Option<u64>,
    /// Which of them were sent again.
    pub(super) replays: Replays,
}

impl DeadLetters {
    pub(super) fn new(dir: PathBuf, limit_bytes: u64) -> Self {
        // Beside the letters, and not among them: a directory without letters is not there.
        let replays = Replays::new(dir.parent().unwrap_or(&dir));
        Self { dir, limit_bytes, active: None, suspect: false, durable_next: None, replays }
    }

    /// Stores letters; on the disk when it returns.
    pub(super) fn append(
        &mut self,
        letters: &[DeadLetter],
        quarantine: &Quarantine,
    ) -> Result<(), SegmentError> {
        let outcome = self.try_append(letters, quarantine);
        match &outcome {
            Ok(()) => self.durable_next = self.active.as_ref().map(|(_, next)| *next),
            // The letters before stay where they are; what follows goes to another segment (`suspect`).
            Err(_) => self.distrust(),
        }
        outcome
    }

    /// Takes the newest segment out of use.
    pub(super) fn distrust(&mut self) {
        self.active = None;
        self.suspect = true;
    }

    fn try_append(&mut self, letters: &[DeadLetter], quarantine: &Quarantine) -> Result<(), SegmentError> {
        if self.suspect {
            // A reader may have opened the segment once more.
            self.active = None;
        }
        self.keep_within_limit()?;
        if self.suspect {
            self.active = Some(self.begin_anew(quarantine)?);
            self.suspect = false;
        } else if self.active.is_none() {
            self.active = Some(self.open_newest(quarantine)?);
        }
        let Some((segment, next)) = &mut self.active else { return Ok(()) };
        for group in letters.chunks(MAX_GROUP_LETTERS) {
            segment.put(CommitNumber(*next), &encode(group).map_err(SegmentError::disk(&self.dir))?)?;
            *next += group.len() as u64;
        }
        segment.make_durable()
    }

    fn begin_anew(&self, quarantine: &Quarantine) -> Result<(Segment, u64), SegmentError> {
        let next = match self.durable_next {
            Some(next) => next,
            None => self.open_newest(quarantine)?.1,
        };
        let first = CommitNumber(next);
        if segment_dirs::path(&self.dir, first).exists() {
            // It holds no letter that is known to be on the disk.
            segment_dirs::remove(&self.dir, first).map_err(SegmentError::disk(&self.dir))?;
        }
        Ok((self.open(first)?, next))
    }

    fn open_newest(&self, quarantine: &Quarantine) -> Result<(Segment, u64), SegmentError> {
        let newest = segment_dirs::list(&self.dir).map_err(SegmentError::disk(&self.dir))?.pop();
        let first = newest.unwrap_or(CommitNumber(1));
        let opened = self.open(first).and_then(|segment| {
            let last = segment.last_number(CommitNumber(u64::MAX))?;
            let letters = last.and_then(|number| segment.get_bytes(number).transpose()).transpose()?;
            let held = letters.and_then(|bytes| decode(&bytes)).map_or(1, |letters| letters.len() as u64);
            let next = last.map_or(first.0, |last| last.0 + held);
            Ok((segment, next))
        });
        match opened {
            Err(SegmentError::Damaged { path, detail }) => {
                tracing::error!(segment = %path.display(), detail, "dead letters are damaged and set aside");
                quarantine.take(&path).map_err(SegmentError::disk(&path))?;
                let first = CommitNumber(first.0 + NUMBER_LEAP);
                Ok((self.open(first)?, first.0))
            }
            outcome => outcome,
        }
    }

    fn open(&self, first: CommitNumber) -> Result<Segment, SegmentError> {
        Segment::open_healing(&segment_dirs::path(&self.dir, first), first, extent(self.limit_bytes))
    }

    fn keep_within_limit(&mut self) -> Result<(), SegmentError> {
        let segment_bytes = self.limit_bytes / SEGMENTS;
        if let Some((segment, next)) =
            self.active.take_if(|(segment, _)| segment.data_bytes() >= segment_bytes)
        {
            let next = CommitNumber(next.to_owned());
            drop(segment);
            self.active = Some((self.open(next)?, next.0));
        } else {
            return Ok(());
        }
        let mut firsts = segment_dirs::list(&self.dir).map_err(SegmentError::disk(&self.dir))?;
        while firsts.len() > 1 && disk::bytes_below(&self.dir) > self.limit_bytes - segment_bytes {
            let oldest = firsts.remove(0);
            tracing::warn!(through = firsts[0].0 - 1, "oldest dead letters dropped, their bound is reached");
            segment_dirs::remove(&self.dir, oldest).map_err(SegmentError::disk(&self.dir))?;
        }
        Ok(())
    }

    /// Returns the newest letters, at most `limit`, oldest of them first.
    pub(super) fn newest(
        &mut self,
        limit: usize,
        quarantine: &Quarantine,
    ) -> Result<Vec<DeadLetter>, SegmentError> {
        if self.active.is_none() {
            if segment_dirs::list(&self.dir).map_err(SegmentError::disk(&self.dir))?.is_empty() {
                return Ok(Vec::new());
            }
            self.active = Some(self.open_newest(quarantine)?);
        }
        let Some((segment, _)) = &self.active else { return Ok(Vec::new()) };
        let mut letters = Vec::new();
        let mut number = segment.next_at(segment.first())?;
        while let Some(at) = number {
            letters.extend(segment.get_bytes(at)?.and_then(|bytes| decode(&bytes)).unwrap_or_default());
            if letters.len() > 2 * limit {
                letters.drain(..letters.len() - limit);
            }
            number = segment.next_at(at.next())?;
        }
        letters.drain(..letters.len().saturating_sub(limit));
        Ok(letters)
    }
}

fn encode(letters: &[DeadLetter]) -> std::io::Result<Vec<u8>> {
    let mut bytes = postcard::to_extend(letters, vec![GROUP_VERSION]).map_err(std::io::Error::other)?;
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Option<Vec<DeadLetter>> {
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    let (version, letters) = content.split_first()?;
    if *version != GROUP_VERSION || xxh3_64(content).to_le_bytes() != checksum {
        return None;
    }
    postcard::from_bytes(letters).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_shared::reading::TimestampMicros;

    fn letter(number: usize, payload_bytes: usize) -> DeadLetter {
        DeadLetter {
            arrived_at: TimestampMicros(1),
            origin: "mqtt a/b".into(),
            reason: "bad_json".into(),
            detail: number.to_string(),
            payload: vec![b'x'; payload_bytes],
        }
    }

    #[test]
    fn letters_come_back_after_a_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::new(dir.path().join("q"), 1 << 20);
        let mut letters = DeadLetters::new(dir.path().join("d"), 4 << 20);
        letters.append(&[letter(1, 10), letter(2, 10)], &quarantine).unwrap();
        drop(letters);
        let mut letters = DeadLetters::new(dir.path().join("d"), 4 << 20);
        letters.append(&[letter(3, 20_000)], &quarantine).unwrap();
        let kept = letters.newest(2, &quarantine).unwrap();
        assert_eq!(kept.iter().map(|letter| letter.detail.as_str()).collect::<Vec<_>>(), ["2", "3"]);
    }

    #[test]
    fn the_oldest_letters_go_when_the_bound_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::new(dir.path().join("q"), 1 << 20);
        let mut letters = DeadLetters::new(dir.path().join("d"), 8 << 20);
        for number in 0..400 {
            letters.append(&[letter(number, 40_000)], &quarantine).unwrap();
        }
        assert!(disk::bytes_below(&dir.path().join("d")) <= 10 << 20);
        assert_eq!(letters.newest(1, &quarantine).unwrap()[0].detail, "399");
    }
}
