//! How far each epoch is prepared, ahead of what is committed; dies with the session.

use std::collections::HashMap;

use penstock_shared::id::{AgentId, CommitNumber, Epoch};

use crate::store::progress::{self, Watermark};
use crate::store::{Store, StoreError};
use crate::unpack::UnpackedBatch;

/// Epochs remembered at once; beyond, all are forgotten and read again.
const MAX_REMEMBERED: usize = 50_000;

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Apply its commits after this one.
    ApplyAfter(CommitNumber),
    /// An earlier batch is not visible yet; look again later.
    Hold,
}

/// The watermarks of one session.
#[derive(Debug, Default)]
pub(super) struct Watermarks {
    known: HashMap<(AgentId, Epoch), Watermark>,
}

impl Watermarks {
    /// Judges a batch and moves its epoch's watermark past it; `None` for a batch without order.
    pub(super) async fn judge(
        &mut self,
        store: &Store,
        batch: &UnpackedBatch,
    ) -> Result<(Verdict, Option<Watermark>), StoreError> {
        if !batch.ordered {
            return Ok((Verdict::ApplyAfter(CommitNumber::NONE), None));
        }
        let key = (batch.agent.clone(), batch.epoch);
        if !self.known.contains_key(&key) {
            if self.known.len() >= MAX_REMEMBERED {
                // What is prepared and not committed yet must not be forgotten: the session holds at most a few
                // groups, so starting over is rare and a restart of the session is the safe way.
                return Err(StoreError::document("remembering watermarks", "too many epochs in one session"));
            }
            let stored = progress::watermark(store, &batch.agent, batch.epoch).await?;
            self.known.insert(key.clone(), stored);
        }
        let watermark = self.known.entry(key).or_default();
        if batch.follows() > watermark.applied_through {
            return Ok((Verdict::Hold, None));
        }
        let after = watermark.applied_through;
        advance(watermark, batch);
        Ok((Verdict::ApplyAfter(after), Some(*watermark)))
    }
}

fn advance(watermark: &mut Watermark, batch: &UnpackedBatch) {
    let after = watermark.applied_through;
    for gap in batch.gaps.iter().filter(|gap| gap.first > after) {
        watermark.gap_readings += gap.readings;
    }
    let new = batch.commits.iter().filter(|commit| commit.number > after);
    watermark.applied_readings += new.map(|commit| commit.readings.len() as u64).sum::<u64>();
    if batch.poison.is_some() && batch.last > after {
        watermark.gap_readings += u64::from(batch.declared_readings);
    }
    watermark.applied_through = after.max(batch.last);
}
