//! Third stage: what a group writes in its transaction, and when hours and days go with it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::buckets::OpenBuckets;
use super::fetch::InFlight;
use super::group::Group;
use super::hours_and_days::HoursAndDays;
use super::transaction::{Transactions, Updates};
use super::{Context, SessionError};
use crate::rollup::{Partition, RollupKey};
use crate::store::changes::{self, Change, MAX_NAMED_BUCKETS};
use crate::store::lease::LeaseEpoch;
use crate::store::series::{self, LastValue};
use crate::store::{StoreError, batches, progress, rollups};

/// How long last values may stay behind.
const LAST_VALUES_INTERVAL: Duration = Duration::from_secs(2);
/// Series remembered as entered; beyond, they are forgotten and entered again, which changes nothing.
const MAX_KNOWN_SERIES: usize = 200_000;

/// The stage's state.
pub(super) struct Commit {
    pub(super) context: Context,
    pub(super) partition: Partition,
    pub(super) lease: LeaseEpoch,
    pub(super) in_flight: InFlight,
    pub(super) transactions: Transactions,
    pub(super) buckets: OpenBuckets,
    pub(super) hours_and_days: HoursAndDays,
    pub(super) known_series: HashSet<String>,
    pub(super) last_values: HashMap<String, LastValue>,
    pub(super) transactions_committed: u32,
}

impl Commit {
    /// Works until the second stage ends; then brings last values, hours and days forward.
    pub(super) async fn run(mut self, groups: mpsc::Receiver<Group>) -> Result<(), SessionError> {
        let outcome = self.work(groups).await;
        let ended = self.transactions.end(outcome.is_ok()).await;
        outcome.and(ended)
    }

    async fn work(&mut self, mut groups: mpsc::Receiver<Group>) -> Result<(), SessionError> {
        let mut noted = Instant::now();
        loop {
            // Cancel-safe: a group that is not received stays in the channel.
            let patience = self.hours_and_days.patience(!self.in_flight.is_empty());
            match tokio::time::timeout(patience.unwrap_or(LAST_VALUES_INTERVAL), groups.recv()).await {
                Ok(Some(group)) => self.commit(group).await?,
                Ok(None) => break,
                Err(_) if patience.is_some() => self.commit_hours_and_days().await?,
                Err(_) => {}
            }
            if noted.elapsed() >= LAST_VALUES_INTERVAL {
                self.note_last_values().await?;
                noted = Instant::now();
            }
        }
        if !self.hours_and_days.deferred().is_empty() {
            self.commit_hours_and_days().await?;
        }
        self.note_last_values().await
    }

    async fn commit(&mut self, group: Group) -> Result<(), SessionError> {
        let mut changed = self.buckets.fold(&self.context.store, &group.deltas).await?;
        self.hours_and_days.defer(group.batches.iter().cloned());
        let with_hours_and_days = self.hours_and_days.are_due(&self.buckets);
        if with_hours_and_days {
            changed.extend(self.buckets.unwritten().iter().cloned());
        }
        let deferred = if with_hours_and_days { &[] } else { self.hours_and_days.deferred() };
        let batch_ids: Vec<_> = group.batches.iter().map(|batch| batch.id.clone()).collect();
        let mut updates = Updates::default();
        updates.extend(progress::COLLECTION, [progress::set_deferred(self.partition, deferred)])?;
        self.add_books(&mut updates, &group, &batch_ids)?;
        self.write(updates, changed, batch_ids.clone(), Some(group.oldest_received)).await?;
        if with_hours_and_days {
            self.after_hours_and_days();
        } else {
            self.hours_and_days.note_commit();
        }
        self.after_commit(group, &batch_ids);
        Ok(())
    }

    async fn commit_hours_and_days(&mut self) -> Result<(), SessionError> {
        let changed = self.buckets.unwritten().iter().cloned().collect();
        let mut updates = Updates::default();
        updates.extend(progress::COLLECTION, [progress::set_deferred(self.partition, &[])])?;
        self.write(updates, changed, Vec::new(), None).await?;
        self.after_hours_and_days();
        Ok(())
    }

    fn after_hours_and_days(&mut self) {
        self.buckets.hours_and_days_written();
        self.hours_and_days.written();
    }

    /// Writes buckets together with other updates, and announces them.
    async fn write(
        &mut self,
        mut updates: Updates,
        changed: Vec<RollupKey>,
        batches: Vec<String>,
        oldest_received: Option<penstock_shared::reading::TimestampMicros>,
    ) -> Result<(), SessionError> {
        self.transactions_committed += 1;
        // Grows with every transaction and every take-over.
        let revision = (self.lease.0 << 32) | i64::from(self.transactions_committed);
        for key in &changed {
            let rollup = self.buckets.get(key).ok_or_else(|| {
                StoreError::document("writing rollups", format!("{key} changed and is not in memory"))
            })?;
            updates.add(rollups::COLLECTION, rollups::write(key, rollup, revision));
        }
        let buckets = (changed.len() <= MAX_NAMED_BUCKETS).then_some(changed);
        let change = Change { buckets, batches, oldest_received };
        updates.extend(changes::COLLECTION, [changes::announce(self.partition, revision, &change)])?;
        self.transactions.run(&updates).await
    }

    fn add_books(
        &self,
        updates: &mut Updates,
        group: &Group,
        batch_ids: &[String],
    ) -> Result<(), StoreError> {
        let watermarks = group
            .watermarks
            .iter()
            .map(|(agent, epoch, watermark)| progress::move_watermark(agent, *epoch, *watermark));
        updates.extend(progress::COLLECTION, watermarks)?;
        updates.extend(batches::COLLECTION, [batches::mark_applied(batch_ids)])?;
        let poisoned = group.poisoned.iter().map(|(id, reason)| batches::mark_poisoned(id, reason));
        updates.extend(batches::COLLECTION, poisoned)?;
        let new_series = group
            .last_values
            .iter()
            .filter(|last| !self.known_series.contains(&last.series.to_string()))
            .map(series::note);
        updates.extend(series::COLLECTION, new_series)
    }

    fn after_commit(&mut self, group: Group, batch_ids: &[String]) {
        self.in_flight.remove(batch_ids);
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
            if self.known_series.len() >= MAX_KNOWN_SERIES {
                self.known_series.clear();
            }
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
}
