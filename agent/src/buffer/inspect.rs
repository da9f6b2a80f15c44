//! The buffer's segments for an operator who wants to know: what is there, whether it reads back, and what is in it.
//!
//! Nothing is declared, quarantined or removed from here, whatever is found.

mod damaged;

use std::path::{Path, PathBuf};

use penstock_shared::id::CommitNumber;
use penstock_shared::reading::TimestampMicros;
use serde::{Deserialize, Serialize};

use super::books::Books;
use super::error::BufferError;
use super::segment::{Segment, SegmentError};
use super::{Buffer, Fault, Shared, StoredCommit, disk, locked};

/// The damage of more spans than these is only counted.
const MOST_FAULTS: usize = 100;
/// Where earlier versions copied a quarantined segment to, to look into it.
const COPY: &str = "inspection";
/// A reading without its text, roughly, as JSON with its series.
const READING_BYTES: usize = 150;

/// What is known of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentSummary {
    /// Its first commit, which names it.
    pub first: CommitNumber,
    /// Its last commit; before the first when it is empty.
    pub last: CommitNumber,
    /// The readings in it.
    pub readings: u64,
    /// Its bytes on disk.
    pub bytes: u64,
    /// When its oldest reading arrived.
    pub oldest_at: Option<TimestampMicros>,
    /// What becomes of it.
    pub state: SegmentState,
}

/// What becomes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentState {
    /// What comes in is written to it.
    Active,
    /// It waits for the hub, whole or in part.
    Waiting,
    /// It waits in its frozen form, which takes less.
    Frozen,
    /// The hub has it whole.
    Stored,
    /// Some of it does not read back.
    Damaged,
}

/// A segment that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its name in the quarantine.
    pub name: String,
    /// Its bytes on disk.
    pub bytes: u64,
}

/// Which segments a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The one that begins with this commit.
    Segment(CommitNumber),
    /// One of the quarantine, by its name.
    Quarantined(String),
}

/// What came of reading every entry of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Commits that read back whole.
    pub commits: u64,
    /// The readings in them.
    pub readings: u64,
    /// What does not read back, the oldest of it first; many spans are only counted.
    pub faults: Vec<DamagedSpan>,
    /// How many commits do not read back.
    pub fault_count: u64,
    /// Whether the hub has it by now and it was removed.
    pub is_gone: bool,
    /// What is wrong with the segment's files, also where no commit lies; what reads back is sent all the same.
    #[serde(default)]
    pub damage: Option<String>,
}

/// Commits in a row that do not read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedSpan {
    /// The first of them.
    pub first: CommitNumber,
    /// The last of them.
    pub last: CommitNumber,
    /// What is wrong with the first.
    pub detail: String,
}

/// Some commits of a segment.
#[derive(Debug, Default, PartialEq)]
pub struct CommitPage {
    /// The commits, each with whether the hub has it.
    pub commits: Vec<(StoredCommit, bool)>,
    /// Where to go on; none at the end.
    pub next: Option<CommitNumber>,
    /// How many commits were passed over, as they do not read back.
    pub damaged: u64,
}

impl Buffer {
    /// Returns what is known of every segment, the oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentSummary> {
        let damaged = locked(&self.shared.damaged).clone();
        let books = self.shared.books();
        let active = books.segments.back().map(|info| info.first);
        let summaries = books.segments.iter().map(|info| SegmentSummary {
            first: info.first,
            last: info.last,
            readings: info.end.readings.saturating_sub(info.readings_before),
            bytes: info.bytes,
            oldest_at: info.oldest_received_at,
            state: match info.first {
                first if damaged.contains(&first) => SegmentState::Damaged,
                first if active == Some(first) => SegmentState::Active,
                _ if books.has(info.first, info.last) => SegmentState::Stored,
                _ if info.is_frozen => SegmentState::Frozen,
                _ => SegmentState::Waiting,
            },
        });
        summaries.collect()
    }

    /// Returns what is wrong with the disk at present, a sentence each.
    #[must_use]
    pub fn disk_faults(&self) -> Vec<String> {
        let faults = locked(&self.shared.faults);
        faults.iter().filter(|(fault, _)| **fault != Fault::Link).map(|(_, (_, text))| text.clone()).collect()
    }

    /// Returns what was set aside, the oldest first. Blocks on the disk.
    #[must_use]
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let Ok(entries) = std::fs::read_dir(self.shared.quarantine_dir()) else { return Vec::new() };
        let mut quarantined: Vec<_> = entries
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .map(|entry| Quarantined {
                name: entry.file_name().to_string_lossy().into_owned(),
                bytes: disk::bytes_below(&entry.path()),
            })
            .collect();
        quarantined.sort_by(|a, b| a.name.cmp(&b.name));
        quarantined
    }

    /// Reads every entry of a segment. Blocks on the disk for as long as that takes.
    ///
    /// # Errors
    /// When the disk refuses; damage is no error.
    pub fn verify(&self, first: CommitNumber) -> Result<Verified, BufferError> {
        let shared = &*self.shared;
        let Some(last) = shared.last_of(first) else {
            return Ok(Verified { is_gone: true, ..Verified::default() });
        };
        let mut verified = Verified::default();
        let segment = match shared.segment(first) {
            Ok(segment) => segment,
            Err(error) if error.is_retryable() => return Err(error.into()),
            Err(error) => return shared.verify_damaged(first, last, &error),
        };
        verified.damage = shared.damage_of(&segment)?;
        let mut number = first;
        while number <= last {
            match segment.get(number) {
                Ok(Some(stored)) => {
                    verified.commits += 1;
                    verified.readings += stored.commit.readings.len() as u64;
                }
                // What the quota or the hub made a gap is no fault.
                Ok(None) if shared.books().gap_end(number).is_some() => {}
                Ok(None) => verified.note(number, number, "missing".to_owned()),
                Err(error) if error.is_retryable() && shared.last_of(first).is_some() => {
                    return Err(error.into());
                }
                Err(error) => verified.note(number, number, damage(&error)),
            }
            number = number.next();
        }
        verified.is_gone = shared.last_of(first).is_none();
        Ok(verified)
    }

    /// Returns commits from `from` on, about as many as take `most_bytes` in memory. Blocks on the disk.
    ///
    /// # Errors
    /// When the place is not there, or does not open.
    pub fn commits(
        &self,
        place: &Place,
        from: CommitNumber,
        most_bytes: usize,
    ) -> Result<CommitPage, BufferError> {
        let shared = &*self.shared;
        match place {
            Place::Segment(first) => {
                let Some(last) = shared.last_of(*first) else { return Ok(CommitPage::default()) };
                let mut page = page(&*shared.segment(*first)?, from.max(*first), last, most_bytes)?;
                let books = shared.books();
                for (stored, is_stored) in &mut page.commits {
                    let number = stored.commit.number;
                    *is_stored = books.has(number, number) || books.gap_end(number).is_some();
                }
                Ok(page)
            }
            Place::Quarantined(name) => shared.set_aside_page(name, from, most_bytes),
        }
    }
}

impl Books {
    /// Tells whether the hub has confirmed all of `first..=last`.
    pub(super) fn has(&self, first: CommitNumber, last: CommitNumber) -> bool {
        last <= self.state.confirmed || self.state.express.has(first, last)
    }
}

impl Verified {
    fn note(&mut self, first: CommitNumber, last: CommitNumber, detail: String) {
        self.fault_count += (last.0 + 1).saturating_sub(first.0);
        let has_room = self.faults.len() < MOST_FAULTS;
        match self.faults.last_mut() {
            Some(span) if span.last.next() == first => span.last = last,
            _ if has_room => self.faults.push(DamagedSpan { first, last, detail }),
            _ => {}
        }
    }
}

/// Returns what is wrong, without where: that is told beside it.
fn damage(error: &SegmentError) -> String {
    match error {
        SegmentError::Damaged { detail, .. } => detail.clone(),
        SegmentError::Entry { source, .. } => source.to_string(),
        SegmentError::Disk { .. } => error.to_string(),
    }
}

impl Shared {
    fn quarantine_dir(&self) -> PathBuf {
        self.settings.dir.join("quarantine")
    }

    /// Returns the last commit of a segment; none when it is not there any more.
    fn last_of(&self, first: CommitNumber) -> Option<CommitNumber> {
        self.books().segments.iter().find(|info| info.first == first).map(|info| info.last)
    }

    /// Removes what an inspection left.
    pub(super) fn forget_inspection(&self) {
        if let Err(error) = remove(&self.settings.dir.join(COPY)) {
            tracing::debug!(%error, "copy of a quarantined segment not removed");
        }
    }
}

fn page(
    segment: &Segment,
    from: CommitNumber,
    last: CommitNumber,
    most_bytes: usize,
) -> Result<CommitPage, SegmentError> {
    let mut page = CommitPage::default();
    let mut bytes = 0;
    let mut next = segment.next_at(from)?;
    while let Some(number) = next.filter(|number| *number <= last) {
        if bytes >= most_bytes {
            page.next = Some(number);
            break;
        }
        match segment.get(number) {
            Ok(Some(stored)) => {
                bytes += stored.rough_bytes(READING_BYTES);
                page.commits.push((stored, false));
            }
            Err(error) if error.is_retryable() => return Err(error),
            Ok(None) | Err(_) => page.damaged += 1,
        }
        next = segment.next_at(number.next())?;
    }
    Ok(page)
}

fn remove(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
