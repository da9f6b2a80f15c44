//! The open buckets of a partition in memory: loaded when first touched, changed, written absolute.
//!
//! Minutes are written with each group. Hours and days gather here and are written when they are due
//! (`hours_and_days`).

use std::collections::{HashMap, HashSet};

use penstock_shared::metrics::Granularity;
use penstock_shared::reading::TimestampMicros;

use super::group::MinuteDelta;
use crate::rollup::{Partition, Rollup, RollupKey};
use crate::store::{Store, StoreError, rollups};

/// Buckets kept at most; beyond, those that the last groups did not touch are dropped and loaded again when needed.
const MAX_OPEN: usize = 100_000;
/// Groups that a bucket stays without being touched once there are too many; fewer when that is not enough.
const KEPT_GROUPS: [u64; 3] = [16, 4, 0];
/// What is written less often than with each group.
pub(super) const HOURS_AND_DAYS: [Granularity; 2] = [Granularity::Hour, Granularity::Day];

#[derive(Debug)]
struct OpenBucket {
    rollup: Rollup,
    touched: u64,
}

/// The buckets of one session; a session that fails throws them away.
#[derive(Debug)]
pub(super) struct OpenBuckets {
    partition: Partition,
    open: HashMap<RollupKey, OpenBucket>,
    /// Hours and days that changed since they were last written.
    unwritten: HashSet<RollupKey>,
    group: u64,
}

impl OpenBuckets {
    pub(super) fn new(partition: Partition) -> Self {
        Self { partition, open: HashMap::new(), unwritten: HashSet::new(), group: 0 }
    }

    /// Adds a group's deltas to their minutes, hours and days, for each source and for all, and returns which
    /// minutes changed.
    pub(super) async fn fold(
        &mut self,
        store: &Store,
        deltas: &[MinuteDelta],
    ) -> Result<Vec<RollupKey>, StoreError> {
        self.group += 1;
        let minutes = self.merge_into(store, &[Granularity::Minute], deltas).await?;
        self.fold_hours_and_days(store, deltas).await?;
        Ok(minutes.into_iter().collect())
    }

    /// Adds deltas to their hours and days alone: what a predecessor left deferred is in the minutes already.
    pub(super) async fn fold_hours_and_days(
        &mut self,
        store: &Store,
        deltas: &[MinuteDelta],
    ) -> Result<(), StoreError> {
        let changed = self.merge_into(store, &HOURS_AND_DAYS, deltas).await?;
        self.unwritten.extend(changed);
        Ok(())
    }

    /// Returns a bucket that the last fold changed.
    pub(super) fn get(&self, key: &RollupKey) -> Option<&Rollup> {
        self.open.get(key).map(|bucket| &bucket.rollup)
    }

    /// Returns the hours and days that changed since they were last written.
    pub(super) const fn unwritten(&self) -> &HashSet<RollupKey> {
        &self.unwritten
    }

    /// Says that hours and days are written. Call after the transaction is committed.
    pub(super) fn hours_and_days_written(&mut self) {
        self.unwritten.clear();
    }

    /// Drops cold buckets once there are too many. Call after the group is committed.
    pub(super) fn drop_cold(&mut self) {
        for kept_groups in KEPT_GROUPS {
            if self.open.len() <= MAX_OPEN {
                return;
            }
            let oldest_kept = self.group.saturating_sub(kept_groups);
            let unwritten = &self.unwritten;
            self.open.retain(|key, bucket| bucket.touched >= oldest_kept || unwritten.contains(key));
        }
    }

    async fn merge_into(
        &mut self,
        store: &Store,
        granularities: &[Granularity],
        deltas: &[MinuteDelta],
    ) -> Result<HashSet<RollupKey>, StoreError> {
        let steps: Vec<_> = deltas.iter().flat_map(|delta| self.keys_of(granularities, delta)).collect();
        self.load_missing(store, &steps).await?;
        let mut changed = HashSet::new();
        for (key, rollup) in steps {
            let bucket = self
                .open
                .entry(key.clone())
                .or_insert_with(|| OpenBucket { rollup: Rollup::default(), touched: self.group });
            bucket.touched = self.group;
            bucket.rollup.merge(rollup);
            changed.insert(key);
        }
        Ok(changed)
    }

    async fn load_missing(
        &mut self,
        store: &Store,
        steps: &[(RollupKey, &Rollup)],
    ) -> Result<(), StoreError> {
        let missing: HashSet<_> =
            steps.iter().map(|(key, _)| key).filter(|key| !self.open.contains_key(key)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> = missing.into_iter().collect();
        for stored in rollups::load(store, &missing).await? {
            self.open.insert(stored.key, OpenBucket { rollup: stored.rollup, touched: self.group });
        }
        Ok(())
    }

    fn keys_of<'a>(
        &self,
        granularities: &[Granularity],
        delta: &'a MinuteDelta,
    ) -> impl Iterator<Item = (RollupKey, &'a Rollup)> {
        let partition = self.partition;
        let time = TimestampMicros(delta.minute_millis * 1000);
        let sources = [Some(delta.series.source.clone()), None];
        sources.into_iter().flat_map(move |source| {
            granularities.iter().map(move |granularity| {
                let key = RollupKey {
                    granularity: *granularity,
                    bucket_millis: granularity.bucket_start_millis(time),
                    partition,
                    event_type: delta.series.event_type.clone(),
                    source: source.clone(),
                };
                (key, &delta.rollup)
            })
        })
    }
}
