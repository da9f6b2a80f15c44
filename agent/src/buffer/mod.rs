//! The gateway's reservoir: every acknowledged reading lies here, fsynced, until the hub has it.
//!
//! ```text
//! committer ─append─▶ active segment ─▶ … ─▶ draining segment ─read─▶ forward
//!                     (an own sled database each;      └── removed from disk when confirmed
//!                      frozen when it waits long)
//!
//! dir/lock  state  reserve  segments/<first commit>/  dead-letters/<first letter>/  quarantine/
//! ```
//!
//! Only the active and the draining segment are open, so that memory does not grow with the backlog. Locks are taken
//! in the order writer, reader, registry, state file, books; no I/O happens under the books' lock.
//! This module must not know of MQTT or HTTP.

mod active;
mod books;
mod dead_letters;
mod declare;
mod disk;
mod entry;
mod error;
mod express;
mod extent;
mod freeze;
mod heal;
mod inspect;
mod lanes;
mod on_disk;
mod open;
mod quarantine;
mod read;
mod replay;
mod replays;
mod rescue;
mod room;
mod salvage;
mod seal;
mod segment;
mod segment_dirs;
mod settings;
mod state_file;
mod suspect;
mod trim;
mod watchdog;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use chrono::{DateTime, SecondsFormat};
use penstock_shared::id::{CommitNumber, Epoch};
use penstock_shared::reading::TimestampMicros;
use penstock_shared::report::{MissingSpan, RecordCounts};
use tokio::sync::watch;

use crate::delivery::DeadLetter;
use books::{Books, BooksState};
use dead_letters::DeadLetters;
use lanes::SentThrough;
use quarantine::Quarantine;
use salvage::Salvage;
use segment::Segment;
use state_file::Note;
use suspect::Trust;
use watchdog::Watchdog;
use write::Writer;

pub use books::SentCommit;
pub use dead_letters::LetterPage;
pub use entry::{EntryError, StoredCommit, Totals};
pub use error::{AppendError, BufferError};
pub use express::Lane;
pub use freeze::Freezing;
pub use inspect::{CommitPage, DamagedSpan, Place, Quarantined, SegmentState, SegmentSummary, Verified};
pub use lanes::LaneStart;
pub use read::{ReadLimits, Run};
pub use replay::ReplayError;
pub use replays::Replay;
pub use segment::SegmentError;
pub use settings::{BufferSettings, FullPolicy};
pub use watchdog::HUNG_FLUSH_EXIT_CODE;
pub use write::Group;

pub(crate) use state_file::StateFile;

/// A durable queue of commits in one directory, shared by the committer, the forwarder and the status page.
#[derive(Clone)]
pub struct Buffer {
    shared: Arc<Shared>,
}

struct Shared {
    settings: BufferSettings,
    writer: Mutex<Writer>,
    /// The draining segment, kept open between reads.
    draining: Mutex<Option<Arc<Segment>>>,
    /// Every open segment: sled's files can be opened only once at a time.
    registry: Mutex<BTreeMap<CommitNumber, Weak<Segment>>>,
    /// Segments with unreadable commits: they go to the quarantine instead of being removed.
    damaged: Mutex<BTreeSet<CommitNumber>>,
    /// Segments that stay logs.
    unfit_to_freeze: Mutex<BTreeSet<CommitNumber>>,
    /// The quarantined segment that somebody reads page by page, by its name.
    looked_at: Mutex<Option<(String, Salvage)>>,
    trust: Mutex<Trust>,
    state_file: Mutex<StateFileClock>,
    note: Note,
    books: Mutex<Books>,
    dead_letters: Mutex<DeadLetters>,
    quarantine: Quarantine,
    reserve: disk::Reserve,
    watchdog: Watchdog,
    newest: watch::Sender<CommitNumber>,
    sent: Mutex<SentThrough>,
    /// Set with a change of the lanes, cleared when the books with it are on the disk.
    lanes_unsaved: AtomicBool,
    /// Each with the time of its beginning.
    faults: Mutex<BTreeMap<Fault, (TimestampMicros, String)>>,
    /// Held for its lock until the last clone of the buffer is gone.
    _lock: File,
}

struct StateFileClock {
    file: StateFile<BooksState>,
    written_at: Instant,
}

/// What is wrong at present, for the operator; cleared when it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Disk,
    Full,
    Link,
    Numbers,
    Quarantine,
    /// Beside what was lost it is told what was saved.
    Saved,
    State,
}

impl Buffer {
    /// Opens the buffer in `settings.dir`, creates it when it is not there, and heals what a crash left behind.
    /// Blocks on the disk: call it before the runtimes start.
    ///
    /// # Errors
    /// When another process uses the directory, or the disk refuses.
    pub fn open(settings: BufferSettings) -> Result<Self, BufferError> {
        open::open(settings)
    }

    /// Returns the settings that the buffer was opened with.
    #[must_use]
    pub fn settings(&self) -> &BufferSettings {
        &self.shared.settings
    }

    /// Returns the epoch drawn when this buffer was created.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.books().state.epoch
    }

    /// Returns where every record of this epoch is; always balanced.
    #[must_use]
    pub fn counts(&self) -> RecordCounts {
        self.shared.books().counts()
    }

    /// Returns the last durable commit and how many readings were ever committed up to it.
    #[must_use]
    pub fn newest(&self) -> (CommitNumber, u64) {
        let books = self.shared.books();
        (books.state.last, books.state.totals.readings)
    }

    /// Returns the last commit that the hub has confirmed and how many readings were ever committed up to it.
    #[must_use]
    pub fn confirmed(&self) -> (CommitNumber, u64) {
        let books = self.shared.books();
        (books.state.confirmed, books.state.confirmed_readings)
    }

    /// Returns a receiver that changes with every durable commit.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<CommitNumber> {
        self.shared.newest.subscribe()
    }

    /// Returns the bytes that segments take on disk.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        self.shared.books().bytes()
    }

    /// Returns when the oldest reading that may still be unconfirmed arrived; none with an empty buffer.
    #[must_use]
    pub fn oldest_buffered_at(&self) -> Option<TimestampMicros> {
        self.shared.books().oldest_buffered_at()
    }

    /// Returns the newest spans of which readings were lost, oldest first.
    #[must_use]
    pub fn missing(&self) -> Vec<MissingSpan> {
        self.shared.books().state.missing.clone()
    }

    /// Returns what is wrong at present, a sentence each, with the time since when.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let told = |(since, text): &(TimestampMicros, String)| match DateTime::from_timestamp_micros(since.0)
        {
            Some(since) => format!("{text}, since {}", since.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => text.clone(),
        };
        locked(&self.shared.faults).values().map(told).collect()
    }

    /// Notes what keeps commits from the hub, or that nothing does.
    pub(crate) fn set_link_fault(&self, fault: Option<String>) {
        match fault {
            Some(text) => self.shared.set_fault(Fault::Link, text),
            None => self.shared.clear_fault(Fault::Link),
        }
    }

    /// Returns the newest dead letters, at most `limit`, the oldest of them first. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn newest_dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, SegmentError> {
        locked(&self.shared.dead_letters).newest(limit, &self.shared.quarantine)
    }

    /// Returns the newest dead letters with numbers below `before`, at most `limit`. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses; damage stands in the page.
    pub fn dead_letters(&self, before: u64, limit: usize) -> Result<LetterPage, SegmentError> {
        locked(&self.shared.dead_letters).page(before, limit)
    }

    /// Returns the dead letter of a number; none when it is not there, or was sent again. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn dead_letter(&self, number: u64) -> Result<Option<DeadLetter>, SegmentError> {
        locked(&self.shared.dead_letters).get(number)
    }
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        locked(&self.books)
    }

    fn segments_dir(&self) -> std::path::PathBuf {
        self.settings.dir.join("segments")
    }

    fn segment_dir(&self, first: CommitNumber) -> std::path::PathBuf {
        segment_dirs::path(&self.segments_dir(), first)
    }

    /// Returns the segment, opening it if nobody has it open. One that is gone is not made anew.
    fn segment(&self, first: CommitNumber) -> Result<Arc<Segment>, SegmentError> {
        let mut registry = locked(&self.registry);
        if let Some(segment) = registry.get(&first).and_then(Weak::upgrade) {
            return Ok(segment);
        }
        registry.retain(|_, segment| segment.strong_count() > 0);
        let dir = self.segment_dir(first);
        if !dir.is_dir() {
            return Err(SegmentError::disk(&dir)(std::io::ErrorKind::NotFound.into()));
        }
        let extent = self.extent();
        let opened = match Segment::open_with(&dir, first, extent) {
            // sled writes when it opens. On a full disk the reserve makes that possible, so that the buffer drains.
            Err(error) if error.is_retryable() => {
                self.reserve.give_back().map_err(SegmentError::disk(&dir))?;
                let opened = Segment::open_with(&dir, first, extent);
                if let Err(error) = self.reserve.take() {
                    tracing::debug!(%error, "reserve is not back yet");
                }
                opened
            }
            outcome => outcome,
        };
        let segment = Arc::new(opened?);
        registry.insert(first, Arc::downgrade(&segment));
        self.books().note_bytes(first, disk::bytes_below(&dir));
        Ok(segment)
    }

    /// Lets go of a segment, so that it can be opened afresh or removed.
    fn forget(&self, first: CommitNumber) {
        locked(&self.draining).take_if(|segment| segment.first() == first);
        locked(&self.registry).remove(&first);
    }

    fn persist_books(&self) -> Result<(), BufferError> {
        let mut clock = locked(&self.state_file);
        let with_lanes = self.lanes_unsaved.load(Ordering::SeqCst);
        let state = self.books().state.clone();
        let outcome = clock.file.write(&state).map_err(BufferError::disk(&self.settings.dir));
        match &outcome {
            Ok(()) => {
                clock.written_at = Instant::now();
                if with_lanes {
                    self.lanes_unsaved.store(false, Ordering::SeqCst);
                }
                self.clear_fault(Fault::State);
            }
            Err(error) => self.set_fault(Fault::State, format!("state cannot be written: {error}")),
        }
        outcome
    }

    fn set_fault(&self, fault: Fault, text: String) {
        let mut faults = locked(&self.faults);
        let since = match faults.get(&fault) {
            Some((since, _)) => *since,
            None => {
                tracing::warn!(fault = text, "fault");
                TimestampMicros::now()
            }
        };
        faults.insert(fault, (since, text));
    }

    fn clear_fault(&self, fault: Fault) {
        if locked(&self.faults).remove(&fault).is_some() {
            tracing::info!(?fault, "fault passed");
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Not needed for safety: it spares the hub the commits that it has confirmed since the last writing.
        if let Err(error) = self.persist_books() {
            tracing::warn!(%error, "buffer state not written at the end");
        }
    }
}

/// A poisoned lock only says that another thread panicked; the books are valid between any two statements of ours.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
