//! The way in: a group of readings becomes one or more commits, on the disk when `append` returns.

use std::sync::Arc;
use std::time::Instant;

use penstock_shared::id::{CommitNumber, Epoch};
use penstock_shared::reading::{Reading, TimestampMicros, Value};
use serde::{Deserialize, Serialize};

use super::entry::{Encoder, Totals};
use super::error::{AppendError, BufferError};
use super::segment::{Segment, SegmentError};
use super::{Buffer, Fault, Shared, locked};
use crate::decode::MAX_KEPT_PAYLOAD_BYTES;
use crate::delivery::DeadLetter;
use crate::wear;

/// A group is split into commits of at most this many readings.
const MAX_COMMIT_READINGS: usize = 2048;
/// The same in bytes, roughly, before compression; one reading alone may exceed it.
const MAX_COMMIT_BYTES: usize = 32 * 1024;
const READING_BYTES: usize = 16;

/// What one fsync makes durable.
#[derive(Debug, Default)]
pub struct Group {
    /// Readings in the order of their arrival.
    pub readings: Vec<Reading>,
    /// What could not become a reading.
    pub dead_letters: Vec<DeadLetter>,
    /// Records that a limit refused after they were taken in.
    pub rejected: u64,
    /// When the oldest of them arrived.
    pub received_at: TimestampMicros,
}

/// What only the appending thread needs.
pub(super) struct Writer {
    pub(super) encoder: Encoder,
    pub(super) active: Option<Arc<Segment>>,
    pub(super) free_space_at: Option<Instant>,
    pub(super) reopen_at: Option<(Instant, String)>,
    /// Whether a write to the segment that was active last has failed.
    pub(super) suspect: bool,
    /// Whether what was on the disk at the start is in the books.
    pub(super) recovered: bool,
}

impl Writer {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            encoder: Encoder::new()?,
            active: None,
            free_space_at: None,
            reopen_at: None,
            suspect: false,
            recovered: false,
        })
    }
}

/// What is noted beside sled of every group.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Noted {
    pub(super) epoch: Epoch,
    pub(super) last: CommitNumber,
    pub(super) totals: Totals,
    /// Whether the newest segment is not to be trusted beyond `last`. What an older version noted ends before this and
    /// reads as false: a note is filled up with zeros.
    pub(super) suspect: bool,
}

/// A commit as it goes to the disk.
pub(super) struct Encoded {
    pub(super) number: CommitNumber,
    totals: Totals,
    pub(super) bytes: Vec<u8>,
}

impl Buffer {
    /// Commits a group and returns the number of its last commit when all of it is on the disk. Blocks.
    ///
    /// # Errors
    /// When the buffer is full, or the disk refuses; then nothing of the group may be acknowledged. It may be on
    /// the disk nevertheless, as an error after a write is *unknown*, never *not written*.
    pub fn append(&self, group: &Group) -> Result<CommitNumber, AppendError> {
        let shared = &*self.shared;
        let mut writer = locked(&shared.writer);
        let outcome = shared.append(&mut writer, group);
        match &outcome {
            Ok(_) => {
                shared.clear_fault(Fault::Disk);
                shared.clear_fault(Fault::Full);
            }
            Err(AppendError::Full) => shared.set_fault(Fault::Full, AppendError::Full.to_string()),
            Err(error) => shared.set_fault(Fault::Disk, format!("refusing new readings: {error}")),
        }
        outcome
    }

    /// Counts records that a limit refused, without a commit: the next one makes the count durable. A crash before
    /// that forgets that they were ever received, so that the sum holds.
    pub fn count_rejected(&self, records: u64) {
        let _writer = locked(&self.shared.writer);
        self.shared.books().state.totals.rejected += records;
    }
}

impl Shared {
    fn append(&self, writer: &mut Writer, group: &Group) -> Result<CommitNumber, AppendError> {
        self.check_floor(writer)?;
        let active = self.ready_segment(writer)?;
        let encoded = self.encode(&mut writer.encoder, group, 0)?;
        let entry_bytes = bytes_of(&encoded);
        if entry_bytes > self.most_entry_bytes() {
            drop(active);
            return self.append_in_parts(writer, group, entry_bytes);
        }
        let active = self.make_room(writer, active, entry_bytes)?;
        if !group.dead_letters.is_empty() {
            // Before the commit that counts them, so that no count exceeds what is there.
            let mut dead_letters = locked(&self.dead_letters);
            let stored = self.watchdog.watch(|| dead_letters.append(&group.dead_letters, &self.quarantine));
            if stored.is_err() {
                self.note_suspicion();
            }
            stored?;
        }
        let error = match self.make_durable(&active, &encoded, group) {
            Ok(last) => return Ok(last),
            Err(error) => error,
        };
        drop(active);
        self.distrust_active(writer, error.to_string());
        self.commit_anew(writer, group).map_err(|again| {
            tracing::debug!(%again, "nor can it be written anew");
            error.into()
        })
    }

    /// Commits a group that a small quota cannot hold at once, each half with a flush of its own. A reading that alone is
    /// too much becomes a dead letter. Where the second half is refused, the first one may come twice: its devices send
    /// all of the group again.
    fn append_in_parts(
        &self,
        writer: &mut Writer,
        group: &Group,
        entry_bytes: u64,
    ) -> Result<CommitNumber, AppendError> {
        let mut first = Group {
            readings: Vec::new(),
            dead_letters: group.dead_letters.clone(),
            rejected: group.rejected,
            received_at: group.received_at,
        };
        let (front, back) = group.readings.split_at(group.readings.len() / 2);
        if front.is_empty() {
            let Some(reading) = back.first() else { return Err(AppendError::Full) };
            first.dead_letters.push(too_large(reading, entry_bytes, self.most_entry_bytes()));
            return self.append(writer, &first);
        }
        front.clone_into(&mut first.readings);
        self.append(writer, &first)?;
        let second = Group { readings: back.to_vec(), received_at: group.received_at, ..Group::default() };
        self.append(writer, &second)
    }

    /// Writes a group into a new segment, once: a single fault of the disk then costs nobody anything.
    fn commit_anew(&self, writer: &mut Writer, group: &Group) -> Result<CommitNumber, AppendError> {
        let active = self.begin_anew(writer)?;
        self.commit(&mut writer.encoder, &active, group).map_err(|error| {
            drop(active);
            self.distrust_active(writer, error.to_string());
            error.into()
        })
    }

    fn commit(
        &self,
        encoder: &mut Encoder,
        active: &Segment,
        group: &Group,
    ) -> Result<CommitNumber, SegmentError> {
        let encoded = self.encode(encoder, group, 0)?;
        self.make_durable(active, &encoded, group)
    }

    /// Encodes a group as the next commits; `letters_back` dead letters become readings with it.
    pub(super) fn encode(
        &self,
        encoder: &mut Encoder,
        group: &Group,
        letters_back: u64,
    ) -> Result<Vec<Encoded>, SegmentError> {
        let (last, totals) = {
            let books = self.books();
            (books.state.last, books.state.totals)
        };
        let totals = Totals { dead_lettered: totals.dead_lettered.saturating_sub(letters_back), ..totals };
        encode(encoder, group, last, totals).map_err(SegmentError::disk(&self.settings.dir))
    }

    /// Puts commits on the disk and into the books.
    pub(super) fn make_durable(
        &self,
        active: &Segment,
        encoded: &[Encoded],
        group: &Group,
    ) -> Result<CommitNumber, SegmentError> {
        let dir = &self.settings.dir;
        self.watchdog.watch(|| {
            for commit in encoded {
                active.put(commit.number, &commit.bytes)?;
                wear::note_entry(commit.bytes.len());
            }
            active.make_durable()
        })?;
        if let Some(newest) = encoded.last() {
            let noted = Noted {
                epoch: self.books().state.epoch,
                last: newest.number,
                totals: newest.totals,
                suspect: false,
            };
            self.note.write(&noted).map_err(SegmentError::disk(dir))?;
        }
        let mut books = self.books();
        for commit in encoded {
            books.appended(commit.number, commit.totals, group.received_at);
        }
        if let Some(info) = books.segments.back_mut() {
            info.bytes = active.data_bytes();
        }
        let last = books.state.last;
        drop(books);
        self.newest.send_replace(last);
        Ok(last)
    }

    /// Goes on with numbers behind `through` where the hub has more commits of this epoch than this disk ever had:
    /// the disk was restored from an older copy, or lies about fsync. What the hub has under a number stays.
    pub(super) fn leap_behind(&self, through: CommitNumber) -> Result<(), BufferError> {
        if through <= self.books().state.last {
            return Ok(());
        }
        let mut writer = locked(&self.writer);
        let last = self.books().state.last;
        if through <= last {
            return Ok(());
        }
        tracing::error!(
            last = last.0,
            hub = through.0,
            "hub has commits that this disk does not, numbers go on behind them"
        );
        let text = format!("disk is older than the hub: commits {} to {through} are only there", last.next());
        self.set_fault(Fault::Numbers, text);
        self.books().state.last = through;
        self.persist_books()?;
        // The next append opens a segment behind the leap.
        let Some(active) = writer.active.clone() else { return Ok(()) };
        match self.roll(&mut writer, &active) {
            Err(AppendError::Segment(error)) => Err(error.into()),
            Err(AppendError::Buffer(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the active segment, open.
    pub(super) fn ready_segment(&self, writer: &mut Writer) -> Result<Arc<Segment>, AppendError> {
        let active = match &writer.active {
            Some(active) => Arc::clone(active),
            None => self.reopen_active(writer)?,
        };
        if self.is_to_be_closed() { self.roll(writer, &active) } else { Ok(active) }
    }

    fn reopen_active(&self, writer: &mut Writer) -> Result<Arc<Segment>, AppendError> {
        if let Some((at, reason)) = writer.reopen_at.as_ref().filter(|(at, _)| Instant::now() < *at) {
            tracing::debug!(wait = ?at.saturating_duration_since(Instant::now()), "segment not tried again yet");
            return Err(AppendError::Waiting(reason.clone()));
        }
        let opened = if writer.suspect && writer.recovered {
            self.begin_anew(writer)
        } else {
            self.recover_active(writer)
        };
        let settled = opened.and_then(|active| self.settle_replay().map(|()| active));
        settled.inspect_err(|error| {
            writer.active = None;
            writer.wait(error.to_string());
        })
    }
}

fn encode(
    encoder: &mut Encoder,
    group: &Group,
    last: CommitNumber,
    before: Totals,
) -> std::io::Result<Vec<Encoded>> {
    let mut encoded = Vec::new();
    let mut number = last;
    let mut totals = Totals {
        dead_lettered: before.dead_lettered + group.dead_letters.len() as u64,
        rejected: before.rejected + group.rejected,
        ..before
    };
    let mut rest = group.readings.as_slice();
    while !rest.is_empty() || encoded.is_empty() {
        let (readings, further) = rest.split_at(commit_length(rest));
        number = number.next();
        totals.readings += readings.len() as u64;
        let bytes = encoder.encode(number, group.received_at, totals, readings)?;
        encoded.push(Encoded { number, totals, bytes });
        rest = further;
    }
    Ok(encoded)
}

pub(super) fn bytes_of(encoded: &[Encoded]) -> u64 {
    encoded.iter().map(|commit| commit.bytes.len() as u64).sum()
}

fn too_large(reading: &Reading, entry_bytes: u64, most_bytes: u64) -> DeadLetter {
    let mut payload = serde_json::to_vec(reading).unwrap_or_default();
    payload.truncate(MAX_KEPT_PAYLOAD_BYTES);
    DeadLetter {
        arrived_at: TimestampMicros::now(),
        origin: format!("{}{}", DeadLetter::OF_SERIES, reading.series),
        reason: "above_quota".to_owned(),
        detail: format!("takes {entry_bytes} bytes packed, the buffer's quota holds {most_bytes} at once"),
        payload,
    }
}

fn commit_length(readings: &[Reading]) -> usize {
    let mut bytes = 0;
    for (place, reading) in readings.iter().enumerate() {
        bytes += READING_BYTES + if let Value::Text(text) = &reading.value { text.len() } else { 0 };
        if place > 0 && (place == MAX_COMMIT_READINGS || bytes > MAX_COMMIT_BYTES) {
            return place;
        }
    }
    readings.len()
}
