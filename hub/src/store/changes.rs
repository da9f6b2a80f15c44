//! `changes`: what the last group changed, one document a partition, replaced in the group's transaction.
//!
//! Live push watches this instead of the rollups themselves: one event a group instead of one a bucket. The change
//! stream carries every replacement whole, so no state is skipped.

use mongodb::bson::{Document, doc};
use penstock_shared::reading::TimestampMicros;

use super::{Store, StoreError};
use crate::rollup::{Partition, RollupKey};

/// The collection's name.
pub const COLLECTION: &str = "changes";
/// Beyond this many buckets a group says 'many' instead of naming them; readers then look at what they show.
pub const MAX_NAMED_BUCKETS: usize = 20_000;

/// What one group changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The buckets; none when there were too many to name.
    pub buckets: Option<Vec<RollupKey>>,
    /// The batches that were applied.
    pub batches: Vec<String>,
    /// When the oldest reading of the group arrived at its gateway, by the gateway's clock; none when only hours and
    /// days were brought forward.
    pub oldest_received: Option<TimestampMicros>,
}

pub(super) async fn create(store: &Store) -> Result<(), StoreError> {
    // An index on `_id` is there anyway; asking for one creates the collection, so that no transaction has to.
    store.create_indexes(COLLECTION, &[("_id_", doc! { "_id": 1 }, doc! {})]).await
}

/// Returns the `update` statement that announces a group, for the processor's transaction.
#[must_use]
pub fn announce(partition: Partition, revision: i64, change: &Change) -> Document {
    let buckets: Option<Vec<String>> =
        change.buckets.as_ref().map(|keys| keys.iter().map(RollupKey::to_string).collect());
    let replacement = doc! {
        "_id": i32::from(partition.0),
        "revision": revision,
        "buckets": buckets,
        "batches": &change.batches,
        "oldestReceived": change.oldest_received.map(|time| time.0),
    };
    doc! { "q": { "_id": i32::from(partition.0) }, "u": replacement, "upsert": true }
}

/// Reads an announcement.
///
/// # Errors
/// When a field is missing or of another kind than this version writes.
pub fn from_document(document: &Document) -> Result<Change, StoreError> {
    let wrong = |error: &dyn std::fmt::Display| StoreError::document("reading an announcement", error);
    let texts = |array: &[mongodb::bson::Bson]| -> Vec<String> {
        array.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let buckets = match document.get_array("buckets") {
        Ok(array) => Some(
            texts(array)
                .iter()
                .map(|key| key.parse())
                .collect::<Result<_, _>>()
                .map_err(|error: crate::rollup::InvalidKey| wrong(&error))?,
        ),
        Err(_) => None,
    };
    Ok(Change {
        buckets,
        batches: texts(document.get_array("batches").map_err(|error| wrong(&error))?),
        oldest_received: document.get_i64("oldestReceived").ok().map(TimestampMicros),
    })
}
