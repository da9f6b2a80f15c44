//! The open buckets of a partition in memory: loaded when first touched, changed, written absolute.

use std::collections::{HashMap, HashSet};

use penstock_shared::metrics::Granularity;
use penstock_shared::reading::TimestampMicros;

use super::group::MinuteDelta;
use crate::rollup::{Partition, Rollup, RollupKey};
use crate::store::{Store, StoreError, rollups};

/// Buckets kept at most; beyond, those that the last groups did not touch are dropped and loaded again when needed.
const MAX_OPEN: usize = 100_000;
/// Groups that a bucket stays without being touched once there are too many.
const KEPT_GROUPS: u64 = 16;

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
    group: u64,
}

impl OpenBuckets {
    pub(super) fn new(partition: Partition) -> Self {
        Self { partition, open: HashMap::new(), group: 0 }
    }

    /// Adds a group's deltas to their minutes, hours and days, for each source and for all, and returns which
    /// buckets changed.
    pub(super) async fn fold(
        &mut self,
        store: &Store,
        deltas: &[MinuteDelta],
    ) -> Result<Vec<RollupKey>, StoreError> {
        self.group += 1;
        let steps: Vec<(RollupKey, &Rollup)> = deltas.iter().flat_map(|delta| self.keys_of(delta)).collect();
        let missing: HashSet<_> =
            steps.iter().map(|(key, _)| key).filter(|key| !self.open.contains_key(key)).cloned().collect();
        if !missing.is_empty() {
            let missing: Vec<_> = missing.into_iter().collect();
            for stored in rollups::load(store, &missing).await? {
                self.open.insert(stored.key, OpenBucket { rollup: stored.rollup, touched: self.group });
            }
        }
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
        Ok(changed.into_iter().collect())
    }

    /// Returns a bucket that the last fold changed.
    pub(super) fn get(&self, key: &RollupKey) -> Option<&Rollup> {
        self.open.get(key).map(|bucket| &bucket.rollup)
    }

    /// Drops cold buckets once there are too many. Call after the group is committed.
    pub(super) fn drop_cold(&mut self) {
        if self.open.len() > MAX_OPEN {
            let oldest_kept = self.group.saturating_sub(KEPT_GROUPS);
            self.open.retain(|_, bucket| bucket.touched >= oldest_kept);
        }
    }

    fn keys_of<'a>(&self, delta: &'a MinuteDelta) -> impl Iterator<Item = (RollupKey, &'a Rollup)> + use<'a> {
        let partition = self.partition;
        let time = TimestampMicros(delta.minute_millis * 1000);
        let sources = [Some(delta.series.source.clone()), None];
        sources.into_iter().flat_map(move |source| {
            Granularity::ALL.into_iter().map(move |granularity| {
                let key = RollupKey {
                    granularity,
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
