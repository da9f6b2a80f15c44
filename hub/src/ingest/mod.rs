//! Takes frames from agents and events from applications into the ledger, and answers how far it has come.
//!
//! ```text
//! frame ─▶ validate ─▶ order (per agent) ─▶ group commit ─▶ ledger, majority ─▶ answer ─▶ wake the processor
//! ```
//!
//! This stage knows nothing of rollups or of HTTP; `api` turns its answers into status codes.

pub mod application;
mod backlogs;
mod group_commit;
mod order;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use penstock_shared::answer::{BacklogGrant, FrameAnswer};
use penstock_shared::batch::BatchHeader;
use penstock_shared::frame;
use penstock_shared::id::{AgentId, CommitNumber};
use tokio::sync::Notify;

use crate::store::batches::{Inserted, LedgerEntry};
use crate::store::{Store, StoreError, batches, progress};
use backlogs::Backlogs;
use group_commit::GroupCommit;
use order::{Arrivals, Step};

/// Frames above this size are unpacked off the async threads.
const INLINE_FRAME_BYTES: usize = 32 * 1024;

/// Limits of this stage.
#[derive(Debug, Clone)]
pub struct IngestLimits {
    /// The most readings that may wait for the processor before agents are asked to come back later.
    pub max_pending_readings: u64,
    /// How old the oldest unprocessed batch may become before agents are asked to come back later.
    pub max_lag: Duration,
    /// How many readings a second all agents together may send of their backlogs beside live data.
    pub backlog_readings_per_second: u32,
}

/// What the processor tells ingest: how much waits, and since when. Also wakes the processor.
#[derive(Debug, Default)]
pub struct Pending {
    readings: AtomicI64,
    oldest_arrival_millis: AtomicI64,
    arrived: Notify,
}

impl Pending {
    /// Counts readings that entered the ledger, and wakes the processor.
    pub fn add(&self, readings: u32) {
        self.readings.fetch_add(i64::from(readings), Ordering::Relaxed);
        self.arrived.notify_one();
    }

    /// Wakes the processor: something may have entered the ledger through another hub.
    pub fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Waits until something may have entered the ledger.
    pub async fn wait(&self) {
        self.arrived.notified().await;
    }

    /// Counts readings that were applied.
    pub fn applied(&self, readings: u64) {
        self.readings.fetch_sub(readings as i64, Ordering::Relaxed);
    }

    /// Replaces the estimates by what the ledger says.
    pub fn set(&self, readings: u64, oldest_arrival_millis: Option<i64>) {
        self.readings.store(readings as i64, Ordering::Relaxed);
        self.oldest_arrival_millis.store(oldest_arrival_millis.unwrap_or(0), Ordering::Relaxed);
    }

    /// Returns how many readings wait, about.
    pub fn readings(&self) -> u64 {
        self.readings.load(Ordering::Relaxed).max(0) as u64
    }

    /// Returns how long the oldest unprocessed batch has waited.
    pub fn lag(&self) -> Duration {
        match self.oldest_arrival_millis.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            oldest => {
                let now = mongodb::bson::DateTime::now().timestamp_millis();
                Duration::from_millis(now.saturating_sub(oldest).max(0) as u64)
            }
        }
    }
}

/// Why nothing could be answered; the agent sends again later.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The processor is too far behind.
    #[error("the hub is catching up: {readings} readings wait, the oldest for {lag:?}")]
    Behind {
        /// How many wait.
        readings: u64,
        /// Since when.
        lag: Duration,
    },
    /// The ledger cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outcome of the ledger write is unknown; sending again is safe.
    #[error("ledger write in doubt: {0}")]
    InDoubt(String),
    /// The stage is stopping.
    #[error("the hub is stopping")]
    Stopping,
}

/// The door to the ledger.
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    arrivals: Arrivals,
    group_commit: GroupCommit,
    pending: Arc<Pending>,
    backlogs: Backlogs,
    limits: IngestLimits,
}

impl Ingest {
    /// Starts the group-commit task.
    #[must_use]
    pub fn start(store: Store, pending: Arc<Pending>, limits: IngestLimits) -> Self {
        let group_commit = GroupCommit::start(store.clone());
        let backlogs = Backlogs::new(limits.backlog_readings_per_second);
        Self { store, arrivals: Arrivals::default(), group_commit, pending, backlogs, limits }
    }

    /// Returns what waits for the processor.
    #[must_use]
    pub const fn pending(&self) -> &Arc<Pending> {
        &self.pending
    }

    /// Decides the fate of an agent's frames, in their order.
    ///
    /// # Errors
    /// When the hub cannot decide now; the frames before the failure may have been stored, and sending again is safe.
    pub async fn frames(
        &self,
        agent: &AgentId,
        frames: Vec<Vec<u8>>,
    ) -> Result<Vec<FrameAnswer>, IngestError> {
        self.check_pressure()?;
        let mut answers = Vec::with_capacity(frames.len());
        let mut stopped = false;
        for frame in frames {
            let answer = if stopped { FrameAnswer::Skipped } else { self.frame(agent, frame).await? };
            stopped |= !matches!(answer, FrameAnswer::Have { .. });
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Returns what an agent is granted for a backlog; `is_backlog` says that it has just sent of one.
    #[must_use]
    pub fn grant(&self, agent: &AgentId, is_backlog: bool) -> BacklogGrant {
        let now = Instant::now();
        if is_backlog {
            self.backlogs.note(agent, now);
        }
        self.backlogs.grant(self.pending.lag(), now)
    }

    fn check_pressure(&self) -> Result<(), IngestError> {
        let (readings, lag) = (self.pending.readings(), self.pending.lag());
        if readings > self.limits.max_pending_readings || lag > self.limits.max_lag {
            return Err(IngestError::Behind { readings, lag });
        }
        Ok(())
    }

    async fn frame(&self, agent: &AgentId, frame: Vec<u8>) -> Result<FrameAnswer, IngestError> {
        let (frame, header) = match validate(agent, frame).await {
            Ok(valid) => valid,
            Err(reason) => return Ok(FrameAnswer::Refused { reason }),
        };
        // One frame of an epoch at a time: the order check and the insert belong together.
        let slot = self.arrivals.slot(agent, header.epoch);
        let mut have = slot.lock().await;
        let known = match *have {
            Some(known) => known,
            None => self.read_have_through(&header).await?,
        };
        let mut step = order::step(&header, known);
        if matches!(step, Step::Gap { .. }) {
            // Another hub may have stored what this one has not seen.
            step = order::step(&header, self.read_have_through(&header).await?);
        }
        match step {
            Step::Have { have_through } => {
                *have = Some(have_through);
                Ok(FrameAnswer::Have { have_through })
            }
            Step::Gap { have_through } => {
                *have = Some(have_through);
                Ok(FrameAnswer::Gap { have_through })
            }
            Step::Insert => {
                let have_through = self.insert(LedgerEntry::of_frame(&header, frame)).await?;
                *have = Some(have_through);
                Ok(FrameAnswer::Have { have_through })
            }
        }
    }

    async fn read_have_through(&self, header: &BatchHeader) -> Result<CommitNumber, StoreError> {
        let ledger = batches::highest_commit(&self.store, &header.agent, header.epoch).await?;
        let applied = progress::watermark(&self.store, &header.agent, header.epoch).await?;
        Ok(ledger.unwrap_or_default().max(applied.applied_through))
    }

    /// Inserts an entry and returns how far the ledger reaches then, by whoever's entry.
    async fn insert(&self, entry: LedgerEntry) -> Result<CommitNumber, IngestError> {
        let (id, last, readings) = (entry.id.clone(), entry.last, entry.readings);
        match self.group_commit.insert(entry).await? {
            Inserted::New => {
                self.pending.add(readings);
                Ok(last)
            }
            Inserted::Duplicate => batches::last_of(&self.store, &id)
                .await?
                .ok_or_else(|| IngestError::InDoubt(format!("{id} was a duplicate and is gone"))),
            Inserted::Unknown(error) => Err(IngestError::InDoubt(error)),
        }
    }

    /// Puts an application's events into the ledger. True when they are new, false when the same key stored them
    /// before.
    ///
    /// # Errors
    /// When the hub is behind or the outcome is unknown; sending again with the same key is safe.
    pub async fn events(&self, events: &application::Events) -> Result<bool, IngestError> {
        self.check_pressure()?;
        let entry = events.to_ledger_entry();
        let readings = entry.readings;
        match self.group_commit.insert(entry).await? {
            Inserted::New => {
                self.pending.add(readings);
                Ok(true)
            }
            Inserted::Duplicate => Ok(false),
            Inserted::Unknown(error) => Err(IngestError::InDoubt(error)),
        }
    }
}

/// Unpacks the frame once, so that nothing hopeless is ever acknowledged.
async fn validate(agent: &AgentId, frame: Vec<u8>) -> Result<(Vec<u8>, BatchHeader), String> {
    let check = move |frame: Vec<u8>| {
        let header = frame::read_header(&frame).map_err(|error| error.to_string())?;
        frame::open(&frame).map_err(|error| error.to_string())?;
        Ok::<_, String>((frame, header))
    };
    let (frame, header) = if frame.len() <= INLINE_FRAME_BYTES {
        check(frame)?
    } else {
        tokio::task::spawn_blocking(move || check(frame)).await.map_err(|error| error.to_string())??
    };
    if header.agent != *agent {
        return Err(format!("the frame is of agent {}, the token of {agent}", header.agent));
    }
    Ok((frame, header))
}
