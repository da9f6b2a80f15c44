//! Start-up: takes stock of what a shutdown or a crash left behind, and goes on from there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use penstock_shared::id::CommitNumber;
use tokio::sync::watch;

use super::books::{Books, BooksState, SegmentInfo};
use super::dead_letters::DeadLetters;
use super::entry::Totals;
use super::error::BufferError;
use super::extent::Extent;
use super::lanes::SentThrough;
use super::quarantine::Quarantine;
use super::rescue::Stock;
use super::segment::SegmentError;
use super::settings::BufferSettings;
use super::state_file::{Note, StateFile};
use super::watchdog::{Watchdog, exit_for_restart};
use super::write::{Noted, Writer};
use super::{Buffer, Fault, Shared, StateFileClock, dead_letters, disk, seal, segment, segment_dirs};

/// Quarantined segments may take this part of the quota.
const QUARANTINE_PART: u64 = 4;

pub(super) fn open(settings: BufferSettings) -> Result<Buffer, BufferError> {
    let dir = settings.dir.clone();
    let segments_dir = dir.join("segments");
    disk::create_dir_durable(&segments_dir).map_err(BufferError::disk(&segments_dir))?;
    let lock = lock_directory(&dir)?;
    let reserve = disk::Reserve::new(&dir, widest_extent(&settings).reserve_bytes());
    let prepared = prepare(&dir, &segments_dir);
    let (state_file, state) = match prepared {
        // A full disk is the likely reason, and the reserve is there for that.
        Err(_) => reserve.give_back().and_then(|()| prepare(&dir, &segments_dir)),
        prepared => prepared,
    }
    .map_err(BufferError::disk(&dir))?;
    let fresh = state.is_none();
    let mut state = state.unwrap_or_else(BooksState::fresh);
    let note = Note::open(&dir.join("state")).map_err(BufferError::disk(&dir))?;
    let noted = note.read::<Noted>().filter(|noted| noted.epoch == state.epoch);
    if let Some(noted) = noted.filter(|noted| noted.last > state.last) {
        state.last = noted.last;
        state.totals = noted.totals;
    }
    let suspect = noted.is_some_and(|noted| noted.suspect && noted.last == state.last);
    let books = Books::new(state);
    let watchdog =
        Watchdog::start(settings.flush_timeout, exit_for_restart).map_err(BufferError::disk(&dir))?;
    let mut writer = Writer::new().map_err(BufferError::disk(&dir))?;
    writer.suspect = suspect;
    let mut dead_letters = DeadLetters::new(dir.join("dead-letters"), settings.dead_letter_bytes);
    if suspect {
        dead_letters.distrust();
    }
    let shared = Shared {
        writer: Mutex::new(writer),
        draining: Mutex::new(None),
        registry: Mutex::new(BTreeMap::new()),
        looked_at: Mutex::default(),
        trust: Mutex::default(),
        damaged: Mutex::new(BTreeSet::new()),
        unfit_to_freeze: Mutex::new(BTreeSet::new()),
        state_file: Mutex::new(StateFileClock { file: state_file, written_at: Instant::now() }),
        note,
        books: Mutex::new(books),
        dead_letters: Mutex::new(dead_letters),
        quarantine: Quarantine::new(dir.join("quarantine"), settings.quota_bytes / QUARANTINE_PART),
        reserve,
        watchdog,
        newest: watch::Sender::new(CommitNumber::NONE),
        sent: Mutex::default(),
        lanes_unsaved: AtomicBool::new(false),
        faults: Mutex::new(BTreeMap::new()),
        _lock: lock,
        settings,
    };
    if fresh {
        // The epoch must be on the disk before the first commit of it is.
        shared.persist_books()?;
    }
    shared.take_stock(fresh)?;
    shared.start_active();
    shared.settle_replay_at_start();
    shared.forget_inspection();
    shared.persist_books()?;
    let last = shared.books().state.last;
    shared.newest.send_replace(last);
    *super::locked(&shared.sent) = SentThrough::unknown(last);
    Ok(Buffer { shared: Arc::new(shared) })
}

/// Returns the extent of the widest log that is or may come to be there: written under a larger quota, it stays as it is.
fn widest_extent(settings: &BufferSettings) -> Extent {
    let fresh =
        Extent::for_segments(settings.segment_bytes).max(dead_letters::extent(settings.dead_letter_bytes));
    if fresh >= Extent::LARGEST {
        return fresh;
    }
    let parents = ["segments", "dead-letters"].map(|name| settings.dir.join(name));
    let extents = parents.iter().flat_map(|parent| {
        let firsts = segment_dirs::list(parent).unwrap_or_default();
        firsts.into_iter().filter_map(|first| Extent::of(&segment_dirs::path(parent, first)))
    });
    extents.fold(fresh, Extent::max)
}

type Prepared = (StateFile<BooksState>, Option<BooksState>);

fn prepare(dir: &Path, segments_dir: &Path) -> std::io::Result<Prepared> {
    segment_dirs::sweep(segments_dir)?;
    StateFile::open(&dir.join("state"))
}

fn lock_directory(dir: &Path) -> Result<File, BufferError> {
    let path = dir.join("lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(BufferError::disk(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(BufferError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(BufferError::disk(&path)(error)),
    }
}

impl Shared {
    /// Fills the books with all segments but the active one.
    fn take_stock(&self, fresh: bool) -> Result<(), BufferError> {
        let segments_dir = self.segments_dir();
        let firsts = segment_dirs::list(&segments_dir).map_err(BufferError::disk(&segments_dir))?;
        if fresh && !firsts.is_empty() {
            tracing::error!(segments = firsts.len(), "buffer state is lost, its commits get a new epoch");
        }
        let mut before = Totals::default();
        if let Some((first, state)) =
            firsts.first().filter(|_| fresh).map(|first| (first, self.fresh_start(&firsts)))
        {
            before.readings = state?;
            self.books().state.confirmed = first.previous();
            self.books().state.confirmed_readings = before.readings;
            self.books().state.stored = before.readings;
        } else {
            before.readings = self.books().state.confirmed_readings;
        }
        for pair in firsts.windows(2) {
            let (first, last) = (pair[0], pair[1].previous());
            if self.is_done_with(first, last) {
                segment_dirs::remove(&segments_dir, first).map_err(BufferError::disk(&segments_dir))?;
                continue;
            }
            let Some(mut stock) = self.stock_or_rescue(first, last)? else { continue };
            if stock.is_empty() {
                stock.info.readings_before = before.readings;
                stock.info.end = before;
            }
            let within = self.note_holes_before(before.readings, &stock);
            stock.info.readings_before -= within.iter().map(|hole| hole.readings).sum::<u64>();
            before = stock.info.end;
            // What was saved of a damaged segment has gaps, which are looked for anew with each start.
            if !stock.is_sealed && !stock.info.is_frozen && !stock.is_empty() {
                self.seal_late(&stock.info);
            }
            self.books().segments.push_back(stock.info);
            within.into_iter().for_each(|hole| self.lose_hole(hole));
            self.lose_unknown(&stock.holes);
        }
        self.books().catch_up();
        Ok(())
    }

    /// Notes in a closed segment what is in it, where a crash came before that: the next start need not open it.
    fn seal_late(&self, info: &SegmentInfo) {
        if let Err(error) = seal::write(&self.segment_dir(info.first), info) {
            tracing::debug!(%error, segment = info.first.0, "segment is sealed another time");
        }
    }

    /// Returns C before the first segment, when the books are lost.
    fn fresh_start(&self, firsts: &[CommitNumber]) -> Result<u64, BufferError> {
        let Some(first) = firsts.first().copied() else { return Ok(0) };
        let last = firsts.get(1).map_or(CommitNumber(u64::MAX), |next| next.previous());
        match self.stock_of(first, last) {
            Err(error) if !error.is_retryable() && self.rescue(first, last, &error)? => {
                Ok(self.stock_of(first, last)?.info.readings_before)
            }
            Err(error) if error.is_retryable() => Err(error.into()),
            Err(_) => Ok(0),
            Ok(stock) => Ok(stock.info.readings_before),
        }
    }

    /// Tells whether no commit of `first..=last` will be sent again.
    fn is_done_with(&self, first: CommitNumber, last: CommitNumber) -> bool {
        let books = self.books();
        let from = first.max(books.state.confirmed.next());
        last < from
            || books.gap_end(from).is_some_and(|end| end >= last)
            || books.state.express.has(first, last)
    }

    /// Takes stock of a segment, or of what is intact of it; none when that is nothing, and it is set aside.
    fn stock_or_rescue(&self, first: CommitNumber, last: CommitNumber) -> Result<Option<Stock>, BufferError> {
        let error = match self.stock_of(first, last) {
            // A segment is closed with commits in it, but for one that was begun and never written to.
            Ok(stock) if stock.is_empty() => {
                let detail = "sled shows nothing of a closed segment".to_owned();
                let error = SegmentError::Damaged { path: self.segment_dir(first), detail };
                let is_rescued = self.rescue(first, last, &error)?;
                return Ok(Some(if is_rescued { self.stock_of(first, last)? } else { stock }));
            }
            Err(error) if !error.is_retryable() => error,
            outcome => return Ok(Some(outcome?)),
        };
        if self.rescue(first, last, &error)? {
            return Ok(Some(self.stock_of(first, last)?));
        }
        self.quarantine_segment(first, &error)?;
        Ok(None)
    }

    fn stock_of(&self, first: CommitNumber, last: CommitNumber) -> Result<Stock, SegmentError> {
        let dir = self.segment_dir(first);
        if let Some(info) = seal::read(&dir).filter(|info| info.first == first && info.last <= last) {
            // A log that was opened since has grown: that matters where the quota is small, and there are few segments.
            let bytes = if self.extent() < Extent::LARGEST { disk::bytes_below(&dir) } else { info.bytes };
            let info = SegmentInfo { is_frozen: segment::is_frozen(&dir), bytes, ..info };
            return Ok(Stock { is_sealed: true, oldest: info.first, info, holes: Vec::new() });
        }
        let segment = self.segment(first)?;
        let stock = Stock::take(&segment, &dir, last)?;
        drop(segment);
        self.forget(first);
        Ok(stock)
    }

    pub(super) fn quarantine_segment(
        &self,
        first: CommitNumber,
        error: &SegmentError,
    ) -> Result<(), BufferError> {
        tracing::error!(segment = first.0, %error, "segment is damaged and set aside");
        self.forget(first);
        let dir = self.segment_dir(first);
        self.quarantine.take(&dir).map_err(BufferError::disk(&dir))?;
        self.set_fault(Fault::Quarantine, format!("segment {first} is damaged, see quarantine/"));
        Ok(())
    }
}
