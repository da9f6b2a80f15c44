//! First stage: takes what the ledger has gathered, judges it by the watermarks, and builds the next group.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::group::{self, Group, JudgedBatch};
use super::recover::InDoubt;
use super::watermarks::{Verdict, Watermarks};
use super::{Context, SessionError};
use crate::rollup::Partition;
use crate::store::batches::{self, LedgerEntry};
use crate::store::events::ReadingId;
use crate::store::lease::LeaseEpoch;
use crate::store::progress;
use crate::unpack;

/// Entries in one group at most: their ids stand in the intent.
const MAX_ENTRIES: i64 = 2_000;
/// Looks into the ledger at least this often, should a wake-up be lost.
const IDLE_LOOK: Duration = Duration::from_millis(500);

/// Batches that are prepared and not committed: excluded from fetching, named by the intent.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<Vec<String>>>);

impl InFlight {
    pub(super) fn add(&self, ids: impl IntoIterator<Item = String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    pub(super) fn remove(&self, ids: &[String]) {
        let gone: HashSet<_> = ids.iter().collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|id| !gone.contains(id));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The stage's state.
pub(super) struct Fetch {
    pub(super) context: Context,
    pub(super) partition: Partition,
    pub(super) lease: LeaseEpoch,
    pub(super) in_flight: InFlight,
    pub(super) groups: mpsc::Sender<Group>,
    /// The most readings in the next group; grows to what is configured.
    pub(super) group_readings: u32,
    pub(super) shutdown: watch::Receiver<bool>,
}

impl Fetch {
    /// Works until told to stop or until a later stage ends.
    pub(super) async fn run(mut self, in_doubt: InDoubt) -> Result<(), SessionError> {
        let mut watermarks = Watermarks::default();
        let InDoubt { entries, present } = in_doubt;
        let mut rest = entries.into_iter().peekable();
        while rest.peek().is_some() {
            let mut readings = 0;
            let chunk: Vec<_> = std::iter::from_fn(|| {
                rest.next_if(|entry| {
                    let first = readings == 0;
                    readings += entry.weight();
                    first || readings <= self.group_readings
                })
            })
            .collect();
            self.context.telemetry.groups_recovered.increment();
            self.prepare(chunk, &mut watermarks, &present).await?;
        }
        while !*self.shutdown.borrow() {
            let entries = batches::pending(
                &self.context.store,
                self.partition,
                &self.in_flight.ids(),
                self.group_readings,
                MAX_ENTRIES,
            )
            .await?;
            self.note_lag(&entries);
            if self.prepare(entries, &mut watermarks, &HashSet::new()).await? {
                let grown = self.group_readings.saturating_add(self.group_readings / 8 + 1);
                self.group_readings = grown.min(self.context.options.group_readings);
            } else {
                self.wait().await;
            }
        }
        Ok(())
    }

    fn note_lag(&self, entries: &[LedgerEntry]) {
        let oldest = entries.iter().map(|entry| entry.arrived.timestamp_millis()).min();
        let pending = self.context.pending.readings();
        let pending = if entries.is_empty() && self.in_flight.is_empty() { 0 } else { pending };
        self.context.pending.set(pending, oldest);
    }

    /// Waits for new entries; cancel-safe: a notification that is not consumed stays.
    async fn wait(&mut self) {
        tokio::select! {
            () = self.context.pending.wait() => {}
            () = tokio::time::sleep(IDLE_LOOK) => {}
            _ = self.shutdown.wait_for(|stop| *stop) => {}
            () = self.groups.closed() => {}
        }
    }

    /// Builds a group of what can be applied now, declares it, and hands it on. False when there was nothing.
    async fn prepare(
        &self,
        entries: Vec<LedgerEntry>,
        watermarks: &mut Watermarks,
        present: &HashSet<ReadingId>,
    ) -> Result<bool, SessionError> {
        if self.groups.is_closed() {
            return Err(SessionError::StageEnded);
        }
        if entries.is_empty() {
            return Ok(false);
        }
        let mut unpacked =
            tokio::task::spawn_blocking(move || entries.into_iter().map(unpack::unpack).collect::<Vec<_>>())
                .await?;
        unpacked.sort_by(|a, b| (&a.agent, a.epoch, a.first).cmp(&(&b.agent, b.epoch, b.first)));
        let mut judged = Vec::with_capacity(unpacked.len());
        for batch in unpacked {
            match watermarks.judge(&self.context.store, &batch).await? {
                (Verdict::ApplyAfter(apply_after), watermark) => {
                    judged.push(JudgedBatch { batch, apply_after, watermark });
                }
                (Verdict::Hold, _) => {
                    tracing::debug!(batch = batch.id, "an earlier batch is not visible yet")
                }
            }
        }
        if judged.is_empty() {
            return Ok(false);
        }
        self.in_flight.add(judged.iter().map(|judged| judged.batch.id.clone()));
        let present = present.clone();
        let build = tokio::task::spawn_blocking(move || group::build(judged, &present));
        let declared =
            progress::declare_intent(&self.context.store, self.partition, self.lease, &self.in_flight.ids())
                .await;
        let group = build.await?;
        declared?;
        self.groups.send(group).await.map_err(|_| SessionError::StageEnded)?;
        Ok(true)
    }
}
