//! After a take-over: which readings of the batches in doubt are in the store already.

use std::collections::HashSet;

use super::{Context, SessionError};
use crate::store::batches::{self, LedgerEntry};
use crate::store::events::{self, ReadingId};
use crate::unpack;

/// What the predecessor left in doubt.
#[derive(Debug, Default)]
pub(super) struct InDoubt {
    /// Batches that it may have inserted, in whole or in part, and has not applied.
    pub(super) entries: Vec<LedgerEntry>,
    /// Their readings that are in the store.
    pub(super) present: HashSet<ReadingId>,
}

/// Reads back the batches that the predecessor's intent names.
pub(super) async fn read_back(context: &Context, batch_ids: &[String]) -> Result<InDoubt, SessionError> {
    let mut in_doubt = InDoubt::default();
    if batch_ids.is_empty() {
        return Ok(in_doubt);
    }
    in_doubt.entries = batches::unapplied_of(&context.store, batch_ids).await?;
    in_doubt.entries.sort_by(|a, b| (&a.agent, a.epoch, a.first).cmp(&(&b.agent, b.epoch, b.first)));
    for entry in &in_doubt.entries {
        let entry = entry.clone();
        let batch = tokio::task::spawn_blocking(move || unpack::unpack(entry)).await?;
        let readings = || batch.commits.iter().flat_map(|commit| &commit.readings);
        let ids = readings().map(|reading| reading.id).min().zip(readings().map(|reading| reading.id).max());
        let times =
            readings().map(|reading| reading.time).min().zip(readings().map(|reading| reading.time).max());
        if let (Some((first, last)), Some((from, to))) = (ids, times) {
            let sources: HashSet<_> = readings().map(|reading| reading.series.source.as_str()).collect();
            let sources: Vec<_> = sources.into_iter().collect();
            let present = events::present(&context.store, &sources, first..=last, from..=to).await?;
            in_doubt.present.extend(present);
        }
    }
    tracing::info!(
        batches = in_doubt.entries.len(),
        present = in_doubt.present.len(),
        "read back what the predecessor left in doubt"
    );
    Ok(in_doubt)
}
