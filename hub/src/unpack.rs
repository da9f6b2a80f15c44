//! From a ledger entry to its readings, each with its identity.

use penstock_shared::batch::Gap;
use penstock_shared::frame;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::TimestampMicros;

use crate::ingest::application;
use crate::store::batches::{LedgerEntry, Payload};
use crate::store::events::{ReadingId, StoredReading};

/// One commit with identified readings.
pub(crate) struct UnpackedCommit {
    pub(crate) number: CommitNumber,
    pub(crate) readings: Vec<StoredReading>,
}

/// A batch, unpacked.
pub(crate) struct UnpackedBatch {
    pub(crate) id: String,
    pub(crate) agent: AgentId,
    pub(crate) epoch: Epoch,
    pub(crate) first: CommitNumber,
    pub(crate) last: CommitNumber,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) received_at: TimestampMicros,
    pub(crate) commits: Vec<UnpackedCommit>,
    /// Whether a watermark orders its epoch; an application's request is an epoch of a single batch.
    pub(crate) ordered: bool,
    /// Why it cannot be unpacked; then there are no commits.
    pub(crate) poison: Option<String>,
    pub(crate) declared_readings: u32,
}

impl UnpackedBatch {
    /// Returns the commit before everything that this batch carries or declares missing.
    pub(crate) fn follows(&self) -> CommitNumber {
        self.gaps.first().map_or(self.first, |gap| gap.first).previous()
    }
}

/// Unpacks an entry. One that cannot be unpacked is set aside by the caller, so that it does not block the rest.
pub(crate) fn unpack(entry: LedgerEntry) -> UnpackedBatch {
    let mut batch = UnpackedBatch {
        id: entry.id.clone(),
        agent: entry.agent.clone(),
        epoch: entry.epoch,
        first: entry.first,
        last: entry.last,
        gaps: Vec::new(),
        received_at: TimestampMicros(entry.arrived.timestamp_millis() * 1000),
        commits: Vec::new(),
        ordered: matches!(entry.payload, Payload::Frame(_)),
        poison: None,
        declared_readings: entry.readings,
    };
    match &entry.payload {
        Payload::Frame(bytes) => match frame::open(bytes) {
            Ok(opened) => {
                batch.gaps = opened.gaps;
                batch.received_at = opened.received_at;
                let epoch = entry.epoch;
                batch.commits = opened
                    .commits
                    .into_iter()
                    .map(|commit| UnpackedCommit {
                        number: commit.number,
                        readings: (0..)
                            .zip(commit.readings)
                            .map(|(index, reading)| StoredReading {
                                id: ReadingId::new(epoch, commit.number, index),
                                series: reading.series,
                                time: reading.time,
                                value: reading.value,
                                extra: None,
                            })
                            .collect(),
                    })
                    .collect();
            }
            Err(error) => batch.poison = Some(error.to_string()),
        },
        Payload::Application(bytes) => match application::unpack(&entry, bytes) {
            Ok(readings) => batch.commits = vec![UnpackedCommit { number: entry.first, readings }],
            Err(error) => batch.poison = Some(error.to_string()),
        },
    }
    batch
}
