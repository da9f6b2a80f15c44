//! When hours and days are written: not with each group, since a group changes as many of them as of minutes, and
//! the next one changes them again.
//!
//! Until then the batches behind them stand as deferred in `progress`, in the transaction that wrote their minutes.
//! A successor unpacks these again and adds them to the hours and days alone: exact, whatever has become of the
//! minutes meanwhile.

use std::time::{Duration, Instant};

use super::buckets::OpenBuckets;
use super::group::{self, JudgedBatch};
use super::{Context, SessionError};
use crate::rollup::Partition;
use crate::store::progress::{self, DeferredBatch};
use crate::store::{StoreError, batches};
use crate::unpack;

/// How long hours and days may stay behind the minutes under load.
const LONGEST: Duration = Duration::from_secs(1);
/// How long after the last group, when no other is under way: longer than an agent's usual linger.
const IDLE: Duration = Duration::from_millis(150);
/// Deferred batches at most: each transaction writes their list anew.
const MAX_BATCHES: usize = 256;
/// Changed hours and days at most.
const MAX_BUCKETS: usize = 10_000;

/// What is in the minutes and not yet in the hours and days.
#[derive(Debug, Default)]
pub(super) struct HoursAndDays {
    deferred: Vec<DeferredBatch>,
    /// When the first and the last of them came.
    since: Option<(Instant, Instant)>,
}

impl HoursAndDays {
    /// Notes the batches of a group that is about to be committed.
    pub(super) fn defer(&mut self, batches: impl IntoIterator<Item = DeferredBatch>) {
        self.deferred.extend(batches);
        self.note_commit();
    }

    /// Notes that the group is committed: idleness counts from here.
    pub(super) fn note_commit(&mut self) {
        let now = Instant::now();
        self.since = Some((self.since.map_or(now, |(first, _)| first), now));
    }

    /// Returns the deferred batches, for the transaction that writes their minutes.
    pub(super) fn deferred(&self) -> &[DeferredBatch] {
        &self.deferred
    }

    /// Tells whether hours and days are to be written with the group at hand.
    pub(super) fn are_due(&self, buckets: &OpenBuckets) -> bool {
        self.deferred.len() > MAX_BATCHES
            || buckets.unwritten().len() > MAX_BUCKETS
            || self.since.is_some_and(|(first, _)| first.elapsed() >= LONGEST)
    }

    /// Returns how long to wait for another group before they are written without one; none when nothing is deferred.
    /// While groups are `under_way`, they go with one of these.
    pub(super) fn patience(&self, under_way: bool) -> Option<Duration> {
        let (first, last) = self.since?;
        let idle = if under_way { LONGEST } else { IDLE };
        Some(LONGEST.saturating_sub(first.elapsed()).min(idle.saturating_sub(last.elapsed())))
    }

    /// Says that they are written. Call after the transaction is committed.
    pub(super) fn written(&mut self) {
        *self = Self::default();
    }
}

/// Adds what the predecessor left deferred to the hours and days in memory.
pub(super) async fn take_over(
    context: &Context,
    partition: Partition,
    buckets: &mut OpenBuckets,
) -> Result<HoursAndDays, SessionError> {
    let deferred = progress::deferred(&context.store, Some(partition)).await?;
    let mut taken = HoursAndDays::default();
    for batch in deferred {
        let entry = batches::by_ids(&context.store, std::slice::from_ref(&batch.id)).await?.pop();
        let entry = entry.ok_or_else(|| {
            let missing = format!("batch {} is deferred and not in the ledger", batch.id);
            StoreError::document("completing hours and days", missing)
        })?;
        let apply_after = batch.after;
        let group = tokio::task::spawn_blocking(move || {
            let judged = JudgedBatch { batch: unpack::unpack(entry), apply_after, watermark: None };
            group::build(vec![judged], &std::collections::HashSet::new())
        })
        .await?;
        // It was unpacked before, by whoever wrote its minutes: this build is older, or the ledger is damaged. Going
        // on would leave hours and days short for ever.
        if let Some((id, reason)) = group.poisoned.first() {
            let unreadable = format!("batch {id} is deferred and cannot be unpacked: {reason}");
            return Err(StoreError::document("completing hours and days", unreadable).into());
        }
        buckets.fold_hours_and_days(&context.store, &group.deltas).await?;
        taken.defer([batch]);
    }
    if !taken.deferred.is_empty() {
        tracing::info!(batches = taken.deferred.len(), "hours and days completed from the ledger");
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use penstock_shared::id::CommitNumber;

    use super::*;

    #[test]
    fn nothing_deferred_waits_for_nothing() {
        let mut waiting = HoursAndDays::default();
        assert_eq!(waiting.patience(false), None);
        assert!(!waiting.are_due(&OpenBuckets::new(Partition(0))));
        waiting.defer([DeferredBatch { id: "b".into(), after: CommitNumber(3) }]);
        assert!(waiting.patience(false).is_some_and(|patience| patience <= IDLE));
        assert!(waiting.patience(true).is_some_and(|patience| patience > IDLE));
        waiting.written();
        assert_eq!((waiting.patience(false), waiting.deferred().len()), (None, 0));
    }

    #[test]
    fn a_long_list_is_due_at_once() {
        let mut waiting = HoursAndDays::default();
        let batch = |number| DeferredBatch { id: format!("b{number}"), after: CommitNumber(0) };
        waiting.defer((0..=MAX_BATCHES).map(batch));
        assert!(waiting.are_due(&OpenBuckets::new(Partition(0))));
    }
}
