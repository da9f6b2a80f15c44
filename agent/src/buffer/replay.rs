//! Sends readings again on an operator's word, each letter and each batch of an export exactly once.

use penstock_shared::id::CommitNumber;
use penstock_shared::reading::{Reading, TimestampMicros};

use super::error::{AppendError, BufferError};
use super::replays::{Intent, Replay, fingerprint};
use super::segment::SegmentError;
use super::write::{Group, Writer, bytes_of};
use super::{Buffer, Shared, locked};

/// Why nothing was sent again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no such letter; it may have made room for newer ones.
    #[error("there is no dead letter {0}")]
    NoLetter(u64),
    /// It was sent again before.
    #[error("sent again already")]
    Done,
    /// There is nothing in it.
    #[error("there is no reading to send")]
    Empty,
    /// It does not fit into one commit, so that a crash could divide it.
    #[error("more than one commit holds")]
    TooLarge,
    /// The buffer does not take it now. Whether it has it is settled before it takes anything else, so that trying again
    /// is safe.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The dead letters cannot be read.
    #[error("dead letters: {0}")]
    Letters(#[from] SegmentError),
    /// What was sent again cannot be noted.
    #[error("replays cannot be noted: {0}")]
    Note(#[source] std::io::Error),
}

impl Buffer {
    /// Commits readings and takes note of it, so that no second call with the same `replay` commits anything. A dead
    /// letter is gone when it returns. Blocks on the disk.
    ///
    /// # Errors
    /// When it is done already, or the disk refuses.
    pub fn replay(&self, replay: Replay, readings: Vec<Reading>) -> Result<CommitNumber, ReplayError> {
        let shared = &*self.shared;
        let mut writer = locked(&shared.writer);
        shared.check_floor(&mut writer)?;
        let active = shared.ready_segment(&mut writer)?;
        shared.settle_replay()?;
        let mut letters = locked(&shared.dead_letters);
        if letters.replays.is_done(replay).map_err(ReplayError::Note)? {
            return Err(ReplayError::Done);
        }
        let counted = match replay {
            Replay::Letter(number) => {
                let letter = letters.get(number)?.ok_or(ReplayError::NoLetter(number))?;
                // The books count what the hub refused with the commit that held it, and it stays there.
                !letter.is_of_hub()
            }
            Replay::Batch(_) => false,
        };
        if readings.is_empty() {
            return Err(ReplayError::Empty);
        }
        let group = Group { readings, received_at: TimestampMicros::now(), ..Group::default() };
        let encoded =
            shared.encode(&mut writer.encoder, &group, u64::from(counted)).map_err(AppendError::from)?;
        let [commit] = encoded.as_slice() else { return Err(ReplayError::TooLarge) };
        let entry_bytes = bytes_of(&encoded);
        if entry_bytes > shared.most_entry_bytes() {
            return Err(ReplayError::TooLarge);
        }
        let active = shared.make_room(&mut writer, active, entry_bytes)?;
        let intent = Intent { replay, commit: commit.number, fingerprint: fingerprint(&commit.bytes) };
        letters.replays.intend(intent).map_err(ReplayError::Note)?;
        if let Err(error) = shared.make_durable(&active, &encoded, &group) {
            drop(active);
            shared.distrust_active(&mut writer, error.to_string());
            return Err(AppendError::from(error).into());
        }
        letters.replays.settle(replay, true).map_err(ReplayError::Note)?;
        Ok(intent.commit)
    }
}

impl Shared {
    /// Finds out what became of a replay that a crash or a fault interrupted. The active segment must be open.
    pub(super) fn settle_replay(&self) -> Result<(), AppendError> {
        let dir = &self.settings.dir;
        let mut letters = locked(&self.dead_letters);
        let pending = letters.replays.pending().map_err(BufferError::disk(dir))?;
        let Some(intent) = pending else { return Ok(()) };
        let is_done = self.holds(&intent)?;
        tracing::info!(replay = ?intent.replay, commit = intent.commit.0, is_done, "interrupted replay settled");
        letters.replays.settle(intent.replay, is_done).map_err(BufferError::disk(dir))?;
        Ok(())
    }

    fn holds(&self, intent: &Intent) -> Result<bool, SegmentError> {
        let (info, is_stored) = {
            let books = self.books();
            (books.segment_at(intent.commit).cloned(), books.has(intent.commit, intent.commit))
        };
        // Its disk was given back. As no number is used before this is settled, it was this one that the hub confirmed.
        let Some(info) = info.filter(|info| info.first <= intent.commit) else { return Ok(is_stored) };
        match self.segment(info.first)?.get_bytes(intent.commit) {
            Ok(bytes) => Ok(bytes.is_some_and(|bytes| fingerprint(&bytes) == intent.fingerprint)),
            Err(error) if error.is_retryable() => Err(error),
            // What cannot be read will not be sent either.
            Err(_) => Ok(false),
        }
    }

    /// As [`Shared::settle_replay`], where the buffer opens: a disk that refuses is asked again with the next replay.
    pub(super) fn settle_replay_at_start(&self) {
        let has_active = locked(&self.writer).has_active();
        if let Err(error) = if has_active { self.settle_replay() } else { Ok(()) } {
            tracing::warn!(%error, "interrupted replay not settled");
        }
    }
}

impl Writer {
    fn has_active(&self) -> bool {
        self.active.is_some()
    }
}
