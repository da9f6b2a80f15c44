//! `events_ts`: every reading once, in a time-series collection.
//!
//! MongoDB allows neither unique indexes nor transactions nor change streams on it. What makes 'once' true is the
//! deterministic `_id` of each reading and the processor that reads back what is in doubt.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, RawDocumentBuf, doc};
use mongodb::options::ReadConcern;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::{Series, TimestampMicros, Value};

use super::{Store, StoreError, majority};

/// The collection's name.
pub const COLLECTION: &str = "events_ts";
/// MongoDB's code for 'collection exists already'.
const NAMESPACE_EXISTS: i32 = 48;

/// Identifies one reading across the fleet and across retries: epoch (8 bytes, big endian), commit (5), index (3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadingId(pub [u8; 16]);

impl ReadingId {
    /// Builds the id of the reading at `index` of a commit. Commits stay below 2^40 and indices below 2^24.
    #[must_use]
    pub fn new(epoch: Epoch, commit: CommitNumber, index: u32) -> Self {
        let low = (commit.0 << 24) | u64::from(index & 0x00ff_ffff);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&epoch.0.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        Self(bytes)
    }

    /// Returns the id as the store holds it.
    #[must_use]
    pub fn to_binary(self) -> Binary {
        Binary { subtype: BinarySubtype::Generic, bytes: self.0.to_vec() }
    }

    fn from_bson(id: &Bson) -> Option<Self> {
        match id {
            Bson::Binary(binary) => binary.bytes.as_slice().try_into().ok().map(Self),
            _ => None,
        }
    }
}

/// A reading on its way into the store.
#[derive(Debug, Clone)]
pub struct StoredReading {
    /// Its identity.
    pub id: ReadingId,
    /// Which quantity of which device.
    pub series: Arc<Series>,
    /// When.
    pub time: TimestampMicros,
    /// What.
    pub value: Value,
    /// What an application said beside the value.
    pub extra: Option<Box<Extra>>,
}

/// What an application said beside the value.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// Who acted.
    pub user_id: Option<String>,
    /// Anything, as JSON text: objects and arrays in turn in one field harm time-series buckets.
    pub properties: Option<String>,
}

/// The metaField of one series, built once a group and copied into each of its documents.
#[must_use]
pub fn metadata(series: &Series, agent: &AgentId) -> RawDocumentBuf {
    let mut labels = RawDocumentBuf::new();
    for (name, value) in &series.labels {
        labels.append(name, value.as_str());
    }
    let mut metadata = RawDocumentBuf::new();
    metadata.append("eventType", series.event_type.as_str());
    metadata.append("source", series.source.as_str());
    metadata.append("agent", agent.as_str());
    metadata.append("labels", labels);
    metadata
}

/// Builds the document of one reading.
#[must_use]
pub fn document(reading: &StoredReading, metadata: &RawDocumentBuf) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append("_id", reading.id.to_binary());
    document.append("timestamp", DateTime::from_millis(reading.time.millis()));
    document.append("metadata", metadata.clone());
    let micros = reading.time.0.rem_euclid(1000);
    if micros != 0 {
        document.append("us", micros as i32);
    }
    match &reading.value {
        Value::Number(number) => document.append("value", *number),
        Value::Boolean(flag) => document.append("flag", *flag),
        Value::Text(text) => document.append("text", text.as_str()),
    }
    if let Some(extra) = &reading.extra {
        if let Some(user_id) = &extra.user_id {
            document.append("userId", user_id.as_str());
        }
        if let Some(properties) = &extra.properties {
            document.append("properties", properties.as_str());
        }
    }
    document
}

pub(super) async fn create(store: &Store, keep: Duration) -> Result<(), StoreError> {
    let outcome = store
        .database()
        .run_command(doc! {
            "create": COLLECTION,
            "timeseries": { "timeField": "timestamp", "metaField": "metadata", "granularity": "seconds" },
            "expireAfterSeconds": keep.as_secs() as i64,
        })
        .await;
    if let Err(error) = outcome
        && !matches!(error.kind.as_ref(), mongodb::error::ErrorKind::Command(e) if e.code == NAMESPACE_EXISTS)
    {
        return Err(StoreError::doing("creating events_ts")(error));
    }
    store
        .database()
        .run_command(doc! { "collMod": COLLECTION, "expireAfterSeconds": keep.as_secs() as i64 })
        .await
        .map_err(StoreError::doing("setting the retention of events_ts"))?;
    // Each insert moves a bucket's newest time, and with it its key in each of these: no more than queries need.
    let indexes = [
        ("type_time", doc! { "metadata.eventType": 1, "timestamp": -1 }, doc! {}),
        (
            "source_type_time",
            doc! { "metadata.source": 1, "metadata.eventType": 1, "timestamp": -1 },
            doc! {},
        ),
        (
            "user_time",
            doc! { "userId": 1, "timestamp": -1 },
            doc! { "partialFilterExpression": { "userId": { "$exists": true } } },
        ),
    ];
    for index in indexes {
        let name = index.0;
        if let Err(error) = store.create_indexes(COLLECTION, &[index]).await {
            // Indexes on measurements need MongoDB 6.0; a server without them still answers, only slower.
            tracing::warn!(index = name, %error, "index not created");
        }
    }
    Ok(())
}

/// Inserts documents, unordered and majority-committed. An error means *unknown*, never *not written*.
///
/// # Errors
/// When the command fails or its outcome is unknown.
pub async fn insert(store: &Store, documents: Vec<RawDocumentBuf>) -> Result<(), StoreError> {
    if documents.is_empty() {
        return Ok(());
    }
    store
        .database()
        .collection::<RawDocumentBuf>(COLLECTION)
        .insert_many(documents)
        .ordered(false)
        .write_concern(majority())
        .await
        .map_err(StoreError::doing("inserting into events_ts"))?;
    Ok(())
}

/// Returns which readings of some sources, within a range of commits, stand in the store, between two moments.
///
/// # Errors
/// When the database cannot be read.
pub async fn present(
    store: &Store,
    sources: &[&str],
    ids: std::ops::RangeInclusive<ReadingId>,
    times: std::ops::RangeInclusive<TimestampMicros>,
) -> Result<HashSet<ReadingId>, StoreError> {
    let doing = StoreError::doing("reading back from events_ts");
    let filter = doc! {
        "metadata.source": { "$in": sources },
        "timestamp": {
            "$gte": DateTime::from_millis(times.start().millis()),
            "$lte": DateTime::from_millis(times.end().millis()),
        },
        "_id": { "$gte": ids.start().to_binary(), "$lte": ids.end().to_binary() },
    };
    let cursor = store
        .collection(COLLECTION)
        .find(filter)
        .projection(doc! { "_id": 1 })
        .read_concern(ReadConcern::majority())
        .await
        .map_err(&doing)?;
    cursor
        .try_filter_map(async |found| Ok(found.get("_id").and_then(ReadingId::from_bson)))
        .try_collect()
        .await
        .map_err(&doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_ids_order_as_their_commits_do() {
        let id = |commit, index| ReadingId::new(Epoch(7), CommitNumber(commit), index);
        assert!(id(1, 0xff_ffff) < id(2, 0));
        assert!(id(2, 0) < id(2, 1));
        assert_eq!(id(1, 2).0[8..], [0, 0, 0, 0, 1, 0, 0, 2]);
    }
}
