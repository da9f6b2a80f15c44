//! What changed since the last push, of what anybody watches.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use penstock_shared::reading::TimestampMicros;
use tokio::sync::Notify;

use crate::rollup::RollupKey;

/// Batches noted for raw-event channels at most; beyond, watchers are told that readings were skipped.
const MAX_BATCHES: usize = 2_000;

/// A set of changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Buckets of subscribed channels.
    pub(super) buckets: HashSet<RollupKey>,
    /// Batches whose readings raw-event channels may show.
    pub(super) batches: Vec<String>,
    /// Agents whose state changed.
    pub(super) agents: BTreeSet<String>,
    /// When the oldest reading behind the changes arrived at its gateway.
    pub(super) oldest_received: Vec<TimestampMicros>,
    /// Changes may have been missed: every watcher needs a fresh snapshot.
    pub(super) missed: bool,
}

/// Collects changes until the pusher takes them.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    changes: Mutex<Changes>,
    changed: Notify,
}

impl Dirty {
    /// Adds changes and wakes the pusher.
    pub(super) fn note(&self, note: impl FnOnce(&mut Changes)) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut changes);
        if changes.batches.len() > MAX_BATCHES {
            let excess = changes.batches.len() - MAX_BATCHES;
            changes.batches.drain(..excess);
        }
        if changes.oldest_received.len() > MAX_BATCHES {
            changes.oldest_received.clear();
        }
        drop(changes);
        self.changed.notify_one();
    }

    /// Waits for a change; cancel-safe.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes everything.
    pub(super) fn take(&self) -> Changes {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
