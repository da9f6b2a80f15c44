//! Third stage: one transaction a group, with everything that must be true together.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{ReadConcern, TransactionOptions};
use tokio::sync::mpsc;

use super::buckets::OpenBuckets;
use super::fetch::InFlight;
use super::group::Group;
use super::lease_clock::LeaseClock;
use super::{Context, SessionError};
use crate::rollup::Partition;
use crate::store::changes::{self, Change, MAX_NAMED_BUCKETS};
use crate::store::lease::{self, LeaseEpoch};
use crate::store::series::{self, LastValue};
use crate::store::{StoreError, batches, majority, progress, rollups};

/// Attempts at one transaction before the session gives up and starts over.
const MAX_ATTEMPTS: u32 = 20;
/// How long last values may stay behind.
const LAST_VALUES_INTERVAL: Duration = Duration::from_secs(2);

/// The stage's state.
pub(super) struct Commit {
    pub(super) context: Context,
    pub(super) partition: Partition,
    pub(super) lease: LeaseEpoch,
    pub(super) clock: LeaseClock,
    pub(super) in_flight: InFlight,
    /// The one server session of all transactions, noted in the lease.
    pub(super) transactions: ClientSession,
    pub(super) buckets: OpenBuckets,
    pub(super) known_series: std::collections::HashSet<String>,
    pub(super) last_values: HashMap<String, LastValue>,
    pub(super) groups_committed: u32,
}

impl Commit {
    /// Works until the second stage ends; then brings last values forward.
    pub(super) async fn run(mut self, mut groups: mpsc::Receiver<Group>) -> Result<(), SessionError> {
        let mut noted = Instant::now();
        while let Some(group) = groups.recv().await {
            self.commit(group).await?;
            if noted.elapsed() >= LAST_VALUES_INTERVAL {
                self.note_last_values().await?;
                noted = Instant::now();
            }
        }
        self.note_last_values().await
    }

    async fn commit(&mut self, group: Group) -> Result<(), SessionError> {
        let changed = self.buckets.fold(&self.context.store, &group.deltas).await?;
        self.groups_committed += 1;
        // Grows with every group and every take-over.
        let revision = (self.lease.0 << 32) | i64::from(self.groups_committed);
        let mut updates = self.rollup_updates(&changed, revision);
        updates.extend(self.book_updates(&group));
        let change = Change {
            buckets: (changed.len() <= MAX_NAMED_BUCKETS).then_some(changed),
            batches: group.batch_ids.clone(),
            oldest_received: group.oldest_received,
        };
        updates.push((changes::COLLECTION, vec![changes::announce(self.partition, revision, &change)]));
        self.transact(&updates).await?;
        self.after_commit(group);
        Ok(())
    }

    fn rollup_updates(
        &self,
        changed: &[crate::rollup::RollupKey],
        revision: i64,
    ) -> Vec<(&'static str, Vec<Document>)> {
        let writes = changed
            .iter()
            .filter_map(|key| self.buckets.get(key).map(|rollup| rollups::write(key, rollup, revision)))
            .collect();
        vec![(rollups::COLLECTION, writes)]
    }

    fn book_updates(&self, group: &Group) -> Vec<(&'static str, Vec<Document>)> {
        let watermarks = group
            .watermarks
            .iter()
            .map(|(agent, epoch, watermark)| progress::move_watermark(agent, *epoch, *watermark))
            .collect();
        let mut marks = vec![batches::mark_applied(&group.batch_ids)];
        marks.extend(group.poisoned.iter().map(|(id, reason)| batches::mark_poisoned(id, reason)));
        let new_series = group
            .last_values
            .iter()
            .filter(|last| !self.known_series.contains(&last.series.to_string()))
            .map(series::note)
            .collect();
        vec![
            (progress::COLLECTION, watermarks),
            (batches::COLLECTION, marks),
            (series::COLLECTION, new_series),
        ]
    }

    fn after_commit(&mut self, group: Group) {
        self.in_flight.remove(&group.batch_ids);
        for (id, reason) in &group.poisoned {
            tracing::error!(
                batch = id,
                reason,
                "batch cannot be unpacked, kept in the ledger for the operator"
            );
            self.in_flight.remove(std::slice::from_ref(id));
        }
        for last in group.last_values {
            let id = last.series.to_string();
            self.known_series.insert(id.clone());
            match self.last_values.get(&id) {
                Some(noted) if noted.time > last.time => {}
                _ => {
                    self.last_values.insert(id, last);
                }
            }
        }
        self.buckets.drop_cold();
        self.context.pending.applied(group.ledger_readings);
        self.context.telemetry.groups_applied.increment();
        self.context.telemetry.readings_applied.add(group.readings);
    }

    async fn note_last_values(&mut self) -> Result<(), SessionError> {
        let last_values: Vec<_> = std::mem::take(&mut self.last_values).into_values().collect();
        series::note_all(&self.context.store, &last_values).await?;
        Ok(())
    }

    /// Runs the updates and the lease's renewal in one transaction, again and again while the server calls its
    /// failure transient. All updates are absolute, so that running them twice changes nothing.
    async fn transact(&mut self, updates: &[(&'static str, Vec<Document>)]) -> Result<(), SessionError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let sent = Instant::now();
            match self.attempt(updates).await {
                Ok(()) => {
                    self.clock.renewed(sent);
                    return Ok(());
                }
                Err(SessionError::Store(StoreError::Database { source, .. }))
                    if source.contains_label(TRANSIENT_TRANSACTION_ERROR) && attempt < MAX_ATTEMPTS =>
                {
                    tracing::debug!(error = %source, attempt, "transaction to be run again");
                    // The server may have aborted it already, or be away: either way it is over.
                    drop(self.transactions.abort_transaction().await);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(&mut self, updates: &[(&'static str, Vec<Document>)]) -> Result<(), SessionError> {
        let doing = StoreError::doing("committing a group");
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(majority())
            .build();
        self.transactions.start_transaction().with_options(options).await.map_err(&doing)?;
        let renewal = lease::renew(self.partition, self.lease, self.context.options.lease);
        let renewed = self.update(lease::COLLECTION, &[renewal]).await?;
        if renewed != 1 {
            self.transactions.abort_transaction().await.map_err(&doing)?;
            return Err(SessionError::Fenced);
        }
        for (collection, updates) in updates.iter().filter(|(_, updates)| !updates.is_empty()) {
            self.update(collection, updates).await?;
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.transactions.commit_transaction().await {
                Ok(()) => return Ok(()),
                Err(error)
                    if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) && attempt < MAX_ATTEMPTS =>
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(doing(error).into()),
            }
        }
    }

    async fn update(&mut self, collection: &str, updates: &[Document]) -> Result<i32, SessionError> {
        let answer = self
            .context
            .store
            .database()
            .run_command(doc! { "update": collection, "updates": updates, "ordered": true })
            .session(&mut self.transactions)
            .await
            .map_err(StoreError::doing("updating in a group's transaction"))?;
        if let Ok(failures) = answer.get_array("writeErrors") {
            return Err(
                StoreError::document("updating in a group's transaction", format!("{failures:?}")).into()
            );
        }
        Ok(answer.get_i32("n").unwrap_or(0))
    }
}
