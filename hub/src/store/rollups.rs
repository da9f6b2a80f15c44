//! `metrics_preagg`: one document a bucket, written absolute by the lease holder of its partition.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, RawBson, RawDocumentBuf, doc, rawdoc};
use mongodb::options::ReadConcern;
use penstock_shared::metrics::Granularity;
use penstock_shared::reading::TimestampMicros;

use super::{Retention, Store, StoreError};
use crate::rollup::{Partition, Rollup, RollupKey, Sketch};

/// The collection's name.
pub const COLLECTION: &str = "metrics_preagg";

/// A bucket as it stands in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRollup {
    /// Which bucket.
    pub key: RollupKey,
    /// What it counted.
    pub rollup: Rollup,
    /// Grows with every write of the partition: tells the newer of two states of one bucket.
    pub revision: i64,
}

/// Two indexes and no more: each write in a transaction has MongoDB look up the state of every index anew, which cost
/// as much as the writes themselves. `_id` is unique and sorts by granularity and start.
pub(super) async fn create(store: &Store) -> Result<(), StoreError> {
    let series = doc! { "type": 1, "source": 1, "granularity": 1, "bucket": 1, "partition": 1 };
    store.create_indexes(COLLECTION, &[("type_source_bucket", series, doc! {})]).await
}

/// Deletes buckets that ended longer before `now` than they are kept; returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn expire(store: &Store, retention: &Retention, now: DateTime) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for granularity in Granularity::ALL {
        let keep = retention.of(granularity).as_millis() as i64 + granularity.millis();
        let expired = RollupKey::ids_before(granularity, now.timestamp_millis() - keep);
        let outcome = store
            .collection(COLLECTION)
            .delete_many(doc! { "_id": { "$gte": expired.start, "$lt": expired.end } })
            .await
            .map_err(StoreError::doing("deleting expired rollups"))?;
        deleted += outcome.deleted_count;
    }
    Ok(deleted)
}

/// Returns the document that replaces a bucket's. Raw, since a group writes thousands of them.
#[must_use]
pub fn document(key: &RollupKey, rollup: &Rollup, revision: i64) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append("_id", key.to_string());
    document.append("type", key.event_type.as_str());
    match &key.source {
        Some(source) => document.append("source", source.as_str()),
        None => document.append("source", RawBson::Null),
    }
    document.append("granularity", key.granularity.as_str());
    document.append("bucket", DateTime::from_millis(key.bucket_millis));
    document.append("partition", i32::from(key.partition.0));
    document.append("count", rollup.count as i64);
    document.append("total", rollup.total);
    document.append("min", rollup.min);
    document.append("max", rollup.max);
    document.append("newest", DateTime::from_millis(rollup.newest.millis()));
    document.append("revision", revision);
    document.append("sketch", Binary { subtype: BinarySubtype::Generic, bytes: rollup.sketch.to_bytes() });
    document
}

/// Returns the `update` statement that writes a bucket, for the processor's transaction.
#[must_use]
pub fn write(key: &RollupKey, rollup: &Rollup, revision: i64) -> RawDocumentBuf {
    let mut statement = RawDocumentBuf::new();
    statement.append("q", rawdoc! { "_id": key.to_string() });
    statement.append("u", document(key, rollup, revision));
    statement.append("upsert", true);
    statement
}

/// Reads a bucket's document.
///
/// # Errors
/// When a field is missing or of another kind than this version writes.
pub fn from_document(document: &Document) -> Result<StoredRollup, StoreError> {
    let wrong = |error: &dyn std::fmt::Display| StoreError::document("reading a rollup", error);
    let key: RollupKey = document
        .get_str("_id")
        .map_err(|e| wrong(&e))?
        .parse()
        .map_err(|e: crate::rollup::InvalidKey| wrong(&e))?;
    let number = |name: &str| document.get_f64(name).map_err(|error| wrong(&error));
    let sketch = document.get_binary_generic("sketch").map_err(|error| wrong(&error))?;
    let newest = document.get_datetime("newest").map_err(|error| wrong(&error))?;
    let rollup = Rollup {
        count: document.get_i64("count").map_err(|error| wrong(&error))? as u64,
        total: number("total")?,
        min: number("min")?,
        max: number("max")?,
        newest: TimestampMicros(newest.timestamp_millis() * 1000),
        sketch: Sketch::from_bytes(sketch).map_err(|error| wrong(&error))?,
    };
    let revision = document.get_i64("revision").map_err(|error| wrong(&error))?;
    Ok(StoredRollup { key, rollup, revision })
}

/// Returns those of the named buckets that exist.
///
/// # Errors
/// When the database cannot be read or a document is damaged.
pub async fn load(store: &Store, keys: &[RollupKey]) -> Result<Vec<StoredRollup>, StoreError> {
    let doing = StoreError::doing("reading rollups");
    let ids: Vec<_> = keys.iter().map(RollupKey::to_string).collect();
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(10_000) {
        let mut cursor = store
            .collection(COLLECTION)
            .find(doc! { "_id": { "$in": chunk } })
            .read_concern(ReadConcern::majority())
            .await
            .map_err(&doing)?;
        while let Some(document) = cursor.try_next().await.map_err(&doing)? {
            found.push(from_document(&document)?);
        }
    }
    Ok(found)
}

/// Returns the buckets of a type (all sources or one) with `from <= start < to`, all partitions merged, oldest
/// first, each with the sum of its partitions' revisions.
///
/// # Errors
/// When the database cannot be read or a document is damaged.
pub async fn range(
    store: &Store,
    event_type: &str,
    source: Option<&str>,
    granularity: Granularity,
    from_millis: i64,
    to_millis: i64,
) -> Result<Vec<StoredRollup>, StoreError> {
    let doing = StoreError::doing("reading rollups");
    let filter = doc! {
        "type": event_type,
        "source": source,
        "granularity": granularity.as_str(),
        "bucket": { "$gte": DateTime::from_millis(from_millis), "$lt": DateTime::from_millis(to_millis) },
    };
    let mut cursor = store
        .collection(COLLECTION)
        .find(filter)
        .sort(doc! { "bucket": 1 })
        .read_concern(ReadConcern::majority())
        .await
        .map_err(&doing)?;
    let mut merged: Vec<StoredRollup> = Vec::new();
    while let Some(document) = cursor.try_next().await.map_err(&doing)? {
        let part = from_document(&document)?;
        match merged.last_mut() {
            Some(last) if last.key.bucket_millis == part.key.bucket_millis => merge(last, &part),
            _ => merged.push(StoredRollup { key: RollupKey { partition: Partition(0), ..part.key }, ..part }),
        }
    }
    Ok(merged)
}

/// Merges the partitions of each bucket.
#[must_use]
pub fn merge_partitions(parts: Vec<StoredRollup>) -> Vec<StoredRollup> {
    let mut merged: HashMap<RollupKey, StoredRollup> = HashMap::new();
    for part in parts {
        let key = RollupKey { partition: Partition(0), ..part.key.clone() };
        match merged.entry(key.clone()) {
            std::collections::hash_map::Entry::Occupied(mut slot) => merge(slot.get_mut(), &part),
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(StoredRollup { key, ..part });
            }
        }
    }
    merged.into_values().collect()
}

fn merge(whole: &mut StoredRollup, part: &StoredRollup) {
    whole.rollup.merge(&part.rollup);
    whole.revision += part.revision;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_reads_back_what_was_written() {
        let mut rollup = Rollup::default();
        rollup.add(TimestampMicros(60_000_000), 1.5);
        rollup.add(TimestampMicros(61_000_000), -7.0);
        let key = RollupKey {
            granularity: Granularity::Minute,
            bucket_millis: 60_000,
            partition: Partition(0),
            event_type: "flow".into(),
            source: Some("gw1/pump".into()),
        };
        let written = Document::try_from(document(&key, &rollup, 5)).expect("a sound document");
        let read = from_document(&written).expect("reads back");
        assert_eq!((read.key, read.rollup, read.revision), (key, rollup, 5));
    }
}
