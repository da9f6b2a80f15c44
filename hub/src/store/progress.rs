//! `progress`: how far each agent's commits are applied, which batches are in doubt, and which are in the minutes
//! and not yet in the hours and days.
//!
//! Watermarks are `AGENT/EPOCH`; the intent of a partition is `intent/PARTITION`, its deferred batches are
//! `deferred/PARTITION`. All are written only by the partition's lease holder.

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReadConcern;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};

use super::lease::LeaseEpoch;
use super::{Store, StoreError, majority};
use crate::rollup::Partition;

/// The collection's name.
pub const COLLECTION: &str = "progress";

/// How far one agent's epoch is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watermark {
    /// The last commit that is in the store and in the rollups.
    pub applied_through: CommitNumber,
    /// Readings applied since the epoch began.
    pub applied_readings: u64,
    /// Readings that the agent declared missing.
    pub gap_readings: u64,
}

fn watermark_id(agent: &AgentId, epoch: Epoch) -> String {
    format!("{agent}/{epoch}")
}

fn intent_id(partition: Partition) -> String {
    format!("intent/{}", partition.0)
}

/// Returns an agent's watermark; zeros when it has none yet.
///
/// # Errors
/// When the database cannot be read.
pub async fn watermark(store: &Store, agent: &AgentId, epoch: Epoch) -> Result<Watermark, StoreError> {
    let found = store
        .collection(COLLECTION)
        .find_one(doc! { "_id": watermark_id(agent, epoch) })
        .read_concern(ReadConcern::majority())
        .await
        .map_err(StoreError::doing("reading a watermark"))?;
    let Some(document) = found else { return Ok(Watermark::default()) };
    let number = |name: &str| {
        document
            .get_i64(name)
            .map(|number| number as u64)
            .map_err(|error| StoreError::document("reading a watermark", error))
    };
    Ok(Watermark {
        applied_through: CommitNumber(number("appliedThrough")?),
        applied_readings: number("appliedReadings")?,
        gap_readings: number("gapReadings")?,
    })
}

/// Returns the `update` statement that moves a watermark, for the processor's transaction.
#[must_use]
pub fn move_watermark(agent: &AgentId, epoch: Epoch, watermark: Watermark) -> Document {
    let fields = doc! {
        "agent": agent.as_str(),
        "epoch": epoch.to_string(),
        "partition": i32::from(Partition::of(agent).0),
        "appliedThrough": watermark.applied_through.0 as i64,
        "appliedReadings": watermark.applied_readings as i64,
        "gapReadings": watermark.gap_readings as i64,
        "appliedAt": "$$NOW",
    };
    doc! { "q": { "_id": watermark_id(agent, epoch) }, "u": [ { "$set": fields } ], "upsert": true }
}

/// Takes the partition's intent over for a lease epoch and returns the batches that the predecessor left in doubt.
///
/// # Errors
/// When a younger lease epoch has it already, or the database cannot be reached.
pub async fn take_intent(
    store: &Store,
    partition: Partition,
    lease: LeaseEpoch,
) -> Result<Vec<String>, StoreError> {
    let doing = StoreError::doing("taking over the intent");
    let id = intent_id(partition);
    let collection = store.collection(COLLECTION);
    let fresh = doc! { "$setOnInsert": { "leaseEpoch": 0_i64, "batches": [] } };
    collection
        .update_one(doc! { "_id": &id }, fresh)
        .upsert(true)
        .write_concern(majority())
        .await
        .map_err(&doing)?;
    let taken = collection
        .find_one_and_update(
            doc! { "_id": &id, "leaseEpoch": { "$lte": lease.0 } },
            doc! { "$set": { "leaseEpoch": lease.0 } },
        )
        .write_concern(majority())
        .await
        .map_err(&doing)?
        .ok_or_else(|| StoreError::document("taking over the intent", "a younger lease holder has it"))?;
    let batches =
        taken.get_array("batches").map_err(|error| StoreError::document("reading the intent", error))?;
    Ok(batches.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
}

/// Declares, before anything of them is sent, which batches are about to be inserted into `events_ts`.
///
/// # Errors
/// When a younger lease epoch took over, or the outcome is unknown.
pub async fn declare_intent(
    store: &Store,
    partition: Partition,
    lease: LeaseEpoch,
    batches: &[String],
) -> Result<(), StoreError> {
    let outcome = store
        .collection(COLLECTION)
        .update_one(
            doc! { "_id": intent_id(partition), "leaseEpoch": lease.0 },
            doc! { "$set": { "batches": batches } },
        )
        .write_concern(majority())
        .await
        .map_err(StoreError::doing("declaring the intent"))?;
    if outcome.matched_count == 1 {
        Ok(())
    } else {
        Err(StoreError::document("declaring the intent", "the lease moved to another hub"))
    }
}

/// A batch that is applied but for the hours and days, which are written less often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeferredBatch {
    /// Which batch.
    pub id: String,
    /// Only its commits after this one count: the others came with an earlier batch.
    pub after: CommitNumber,
}

fn deferred_id(partition: Partition) -> String {
    format!("deferred/{}", partition.0)
}

/// Returns the `update` statement that says which batches are deferred from now on, for the processor's transaction.
#[must_use]
pub fn set_deferred(partition: Partition, batches: &[DeferredBatch]) -> Document {
    let batches: Vec<_> =
        batches.iter().map(|batch| doc! { "id": &batch.id, "after": batch.after.0 as i64 }).collect();
    doc! {
        "q": { "_id": deferred_id(partition) }, "u": { "$set": { "deferred": batches } }, "upsert": true,
    }
}

/// Returns the deferred batches of a partition, or of all.
///
/// # Errors
/// When the database cannot be read or a document is damaged.
pub async fn deferred(store: &Store, partition: Option<Partition>) -> Result<Vec<DeferredBatch>, StoreError> {
    let doing = StoreError::doing("reading which batches are deferred");
    let filter = match partition {
        Some(partition) => doc! { "_id": deferred_id(partition) },
        None => doc! { "_id": { "$gte": "deferred/", "$lt": "deferred0" } },
    };
    let found = store.collection(COLLECTION).find(filter).read_concern(ReadConcern::majority()).await;
    let found: Vec<Document> = found.map_err(&doing)?.try_collect().await.map_err(&doing)?;
    let entries = found.iter().filter_map(|document| document.get_array("deferred").ok()).flatten();
    entries.map(deferred_batch).collect()
}

fn deferred_batch(entry: &Bson) -> Result<DeferredBatch, StoreError> {
    let read = || {
        let entry = entry.as_document()?;
        let after = CommitNumber(entry.get_i64("after").ok()? as u64);
        Some(DeferredBatch { id: entry.get_str("id").ok()?.to_owned(), after })
    };
    read().ok_or_else(|| StoreError::document("reading which batches are deferred", entry))
}
