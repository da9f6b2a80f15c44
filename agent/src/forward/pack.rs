//! Makes a batch of what lies in the buffer, and dead letters of what the hub will never accept.

use penstock_shared::batch::Batch;
use penstock_shared::frame::{self, SealError};
use penstock_shared::id::{AgentId, CommitNumber};
use penstock_shared::reading::TimestampMicros;

use super::hub::FrameBody;
use crate::buffer::{Buffer, BufferError, Lane, ReadLimits, SentCommit, StoredCommit};
use crate::clock::Clock;
use crate::delivery::DeadLetter;

/// A frame ready to be sent, with what is needed to understand the answer. The readings are in the frame alone: beside it
/// they would take several times as much memory.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) frame: FrameBody,
    pub(super) sent: Vec<SentCommit>,
    /// Whether more waited than it has room for.
    pub(super) is_cut: bool,
}

/// What packing came to.
#[derive(Debug)]
pub(super) enum Packed {
    /// A frame.
    Sealed(Sealed),
    /// The commits do not fit into one frame.
    TooLarge(Vec<SentCommit>),
    /// There is nothing to send.
    Nothing,
    /// The disk could not be read.
    Unreadable,
    /// What comes next arrived before this machine's clock was set, which it still is not.
    Held,
}

/// Why nothing could be packed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackError {
    /// The buffer cannot be read.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// The encoder failed, which the data cannot cause.
    #[error("sealing: {0}")]
    Seal(SealError),
}

const ONE_COMMIT: ReadLimits =
    ReadLimits { readings: 1, readings_cap: usize::MAX, text_bytes_cap: usize::MAX, commits: 1 };

/// Reads a lane from `from` on and seals. Blocks on the disk.
pub(super) fn pack(
    buffer: &Buffer,
    clock: &Clock,
    agent: &AgentId,
    lane: Lane,
    from: CommitNumber,
    limits: &ReadLimits,
) -> Result<Packed, PackError> {
    let mut run = buffer.read(lane, from, limits)?;
    if let Some(place) = run.commits.iter_mut().position(|stored| resolve_times(stored, clock).is_none()) {
        run.commits.truncate(place);
        if place == 0 {
            return Ok(Packed::Held);
        }
    }
    let Some(received_at) = run.commits.iter().map(|stored| stored.received_at).min() else {
        return Ok(Packed::Nothing);
    };
    let sent = run.commits.iter().map(sent_commit).collect();
    let commits = run.commits.into_iter().map(|stored| stored.commit).collect();
    let batch = Batch { agent: agent.clone(), epoch: run.epoch, gaps: run.gaps, received_at, commits };
    match frame::seal(&batch) {
        Ok(frame) => Ok(Packed::Sealed(Sealed { frame: FrameBody::of(&frame), sent, is_cut: run.is_cut })),
        Err(SealError::TooLarge { .. }) => Ok(Packed::TooLarge(sent)),
        Err(error) => Err(PackError::Seal(error)),
    }
}

/// Puts wall times for uptimes; none while these are not known.
fn resolve_times(stored: &mut StoredCommit, clock: &Clock) -> Option<()> {
    stored.received_at = clock.resolve(stored.received_at)?;
    for reading in &mut stored.commit.readings {
        reading.time = clock.resolve(reading.time)?;
    }
    Some(())
}

/// Returns how many readings commits hold.
pub(super) fn readings(sent: &[SentCommit]) -> usize {
    sent.iter().map(|commit| commit.readings as usize).sum()
}

fn sent_commit(stored: &StoredCommit) -> SentCommit {
    SentCommit {
        number: stored.commit.number,
        readings: u32::try_from(stored.commit.readings.len()).unwrap_or(u32::MAX),
        readings_through: stored.totals.readings,
        received_at: stored.received_at,
    }
}

/// Sets a commit aside: a dead letter for each reading, as JSON, so that nothing of it is lost. It is read once more, as a
/// frame that a hub refuses may not open here either.
///
/// # Errors
/// When the disk refuses.
pub(super) fn set_aside(
    buffer: &Buffer,
    clock: &Clock,
    lane: Lane,
    sent: &SentCommit,
    reason: &str,
    detail: &str,
) -> Result<(), BufferError> {
    let mut commits = buffer.read(lane, sent.number, &ONE_COMMIT)?.commits;
    let Some(stored) = commits.first_mut().filter(|stored| stored.commit.number == sent.number) else {
        tracing::warn!(commit = sent.number.0, reason, detail, "commit was evicted before it was set aside");
        return Ok(());
    };
    if resolve_times(stored, clock).is_none() {
        tracing::debug!(commit = sent.number.0, "clock is not set any more: times stay uptimes");
    }
    let letters = stored.commit.readings.iter().map(|reading| DeadLetter {
        arrived_at: sent.received_at,
        origin: format!("{}{}", DeadLetter::OF_HUB, sent.number),
        reason: reason.to_owned(),
        detail: detail.to_owned(),
        // A NaN has no JSON; its text says as much.
        payload: serde_json::to_vec(reading).unwrap_or_else(|_| format!("{reading:?}").into_bytes()),
    });
    tracing::error!(
        commit = sent.number.0,
        reason,
        detail,
        at = TimestampMicros::now().0,
        "commit set aside"
    );
    buffer.refuse(sent, &letters.collect::<Vec<_>>())
}
