//! `batches`: the ledger. A batch is the agent's as soon as it stands here, majority-committed.
//!
//! `_id` is `AGENT/EPOCH/FIRST`, which makes it the deduplication. `applied` turns true in the processor's
//! transaction and is only an index: what was applied is decided by `progress`. No TTL stands on this collection.

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};
use mongodb::options::{FindOptions, ReadConcern};
use penstock_shared::batch::BatchHeader;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};

use super::{Store, StoreError, majority};
use crate::rollup::Partition;

/// The collection's name.
pub const COLLECTION: &str = "batches";

/// What a ledger entry carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// An agent's frame, as it came.
    Frame(Vec<u8>),
    /// Application events as JSON text (`ingest::application`).
    Application(Vec<u8>),
}

/// One batch in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    /// The identity, see [`batch_id`].
    pub id: String,
    /// Who sent it.
    pub agent: AgentId,
    /// The life of its buffer.
    pub epoch: Epoch,
    /// The first commit.
    pub first: CommitNumber,
    /// The last commit.
    pub last: CommitNumber,
    /// How many readings.
    pub readings: u32,
    /// When the hub stored it.
    pub arrived: DateTime,
    /// What it carries.
    pub payload: Payload,
}

/// What became of one insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It stands in the ledger, majority-committed.
    New,
    /// An entry with the same identity stood there already.
    Duplicate,
    /// Unknown: it may or may not be there.
    Unknown(String),
}

/// Returns the identity of a batch.
#[must_use]
pub fn batch_id(agent: &AgentId, epoch: Epoch, first: CommitNumber) -> String {
    format!("{agent}/{epoch}/{:020}", first.0)
}

impl LedgerEntry {
    /// Makes the entry of an agent's frame.
    #[must_use]
    pub fn of_frame(header: &BatchHeader, frame: Vec<u8>) -> Self {
        Self {
            id: batch_id(&header.agent, header.epoch, header.first),
            agent: header.agent.clone(),
            epoch: header.epoch,
            first: header.first,
            last: header.last,
            readings: header.readings,
            arrived: DateTime::now(),
            payload: Payload::Frame(frame),
        }
    }

    /// Returns its readings and commits: what it takes to unpack it.
    #[must_use]
    pub fn weight(&self) -> u32 {
        let commits = self.last.0.saturating_sub(self.first.0).saturating_add(1);
        self.readings.saturating_add(u32::try_from(commits).unwrap_or(u32::MAX))
    }

    fn into_document(self) -> Document {
        let (kind, bytes) = match self.payload {
            Payload::Frame(bytes) => ("frame", bytes),
            Payload::Application(bytes) => ("application", bytes),
        };
        doc! {
            "_id": self.id,
            "agent": self.agent.as_str(),
            "epoch": self.epoch.to_string(),
            "first": self.first.0 as i64,
            "last": self.last.0 as i64,
            "partition": i32::from(Partition::of(&self.agent).0),
            "readings": self.readings as i32,
            "arrived": self.arrived,
            "applied": false,
            kind: Binary { subtype: BinarySubtype::Generic, bytes },
        }
    }

    fn from_document(mut document: Document) -> Result<Self, StoreError> {
        let wrong = |error: &dyn std::fmt::Display| StoreError::document("reading the ledger", error);
        let number = |name: &str| document.get_i64(name).map_err(|error| wrong(&error));
        let (first, last) = (number("first")?, number("last")?);
        let text = |name: &str| document.get_str(name).map_err(|error| wrong(&error));
        let id = text("_id")?.to_owned();
        let agent = AgentId::new(text("agent")?).map_err(|error| wrong(&error))?;
        let epoch = text("epoch")?.parse().map_err(|error| wrong(&error))?;
        let readings = document.get_i32("readings").map_err(|error| wrong(&error))? as u32;
        let arrived = *document.get_datetime("arrived").map_err(|error| wrong(&error))?;
        let mut take = |name: &str| match document.remove(name) {
            Some(mongodb::bson::Bson::Binary(binary)) => Some(binary.bytes),
            _ => None,
        };
        let payload = take("frame")
            .map(Payload::Frame)
            .or_else(|| take("application").map(Payload::Application))
            .ok_or_else(|| wrong(&"no payload"))?;
        let (first, last) = (CommitNumber(first as u64), CommitNumber(last as u64));
        Ok(Self { id, agent, epoch, first, last, readings, arrived, payload })
    }
}

pub(super) async fn create(store: &Store) -> Result<(), StoreError> {
    let pending = doc! { "partition": 1, "applied": 1, "arrived": 1 };
    let by_agent = doc! { "agent": 1, "epoch": 1, "last": 1 };
    let cleaning = doc! { "appliedAt": 1 };
    let indexes = [
        ("pending", pending, doc! { "partialFilterExpression": { "applied": false } }),
        ("by_agent", by_agent, doc! {}),
        ("cleaning", cleaning, doc! { "sparse": true }),
    ];
    store.create_indexes(COLLECTION, &indexes).await
}

/// Inserts entries in one majority-committed command and returns the fate of each.
pub async fn insert(store: &Store, entries: Vec<LedgerEntry>) -> Vec<Inserted> {
    let count = entries.len();
    let documents: Vec<_> = entries.into_iter().map(LedgerEntry::into_document).collect();
    let collection = store.collection(COLLECTION);
    let outcome = collection.insert_many(documents).ordered(false).write_concern(majority()).await;
    let Err(error) = outcome else {
        return vec![Inserted::New; count];
    };
    // Unordered: every entry without a write error was written, unless the command as a whole is in doubt.
    if let mongodb::error::ErrorKind::InsertMany(many) = error.kind.as_ref()
        && many.write_concern_error.is_none()
    {
        let mut fates = vec![Inserted::New; count];
        for failure in many.write_errors.iter().flatten() {
            if let Some(fate) = fates.get_mut(failure.index) {
                *fate = match failure.code {
                    11_000 => Inserted::Duplicate,
                    _ => Inserted::Unknown(failure.message.clone()),
                };
            }
        }
        return fates;
    }
    vec![Inserted::Unknown(error.to_string()); count]
}

/// Returns how far the entry with this identity reaches.
///
/// # Errors
/// When the database cannot be read.
pub async fn last_of(store: &Store, id: &str) -> Result<Option<CommitNumber>, StoreError> {
    let found = store
        .collection(COLLECTION)
        .find_one(doc! { "_id": id })
        .projection(doc! { "last": 1 })
        .read_concern(ReadConcern::majority())
        .await
        .map_err(StoreError::doing("reading the ledger"))?;
    Ok(found.and_then(|entry| entry.get_i64("last").ok()).map(|last| CommitNumber(last as u64)))
}

/// Returns the highest commit of an agent's epoch that the ledger still holds.
///
/// # Errors
/// When the database cannot be read.
pub async fn highest_commit(
    store: &Store,
    agent: &AgentId,
    epoch: Epoch,
) -> Result<Option<CommitNumber>, StoreError> {
    let found = store
        .collection(COLLECTION)
        .find_one(doc! { "agent": agent.as_str(), "epoch": epoch.to_string() })
        .sort(doc! { "agent": -1, "epoch": -1, "last": -1 })
        .projection(doc! { "last": 1 })
        .read_concern(ReadConcern::majority())
        .await
        .map_err(StoreError::doing("reading the ledger"))?;
    Ok(found.and_then(|entry| entry.get_i64("last").ok()).map(|last| CommitNumber(last as u64)))
}

/// Returns unapplied entries in the order of their arrival, without those named, until they hold `max_readings`; a
/// commit counts like a reading, for empty ones take memory too.
///
/// # Errors
/// When the database cannot be read.
pub async fn pending(
    store: &Store,
    partition: Partition,
    without: &[String],
    max_readings: u32,
    max_entries: i64,
) -> Result<Vec<LedgerEntry>, StoreError> {
    let filter = doc! {
        "partition": i32::from(partition.0), "applied": false, "_id": { "$nin": without },
    };
    let mut options = FindOptions::builder().sort(doc! { "arrived": 1 }).limit(max_entries).build();
    options.read_concern = Some(ReadConcern::majority());
    options.hint = Some(mongodb::options::Hint::Name("pending".into()));
    let doing = StoreError::doing("reading the ledger");
    let mut cursor = store.collection(COLLECTION).find(filter).with_options(options).await.map_err(&doing)?;
    let (mut entries, mut readings) = (Vec::new(), 0_u32);
    while readings < max_readings {
        let Some(document) = cursor.try_next().await.map_err(&doing)? else { break };
        let entry = LedgerEntry::from_document(document)?;
        readings = readings.saturating_add(entry.weight());
        entries.push(entry);
    }
    Ok(entries)
}

/// Returns those of the named entries that are not applied yet.
///
/// # Errors
/// When the database cannot be read.
pub async fn unapplied_of(store: &Store, ids: &[String]) -> Result<Vec<LedgerEntry>, StoreError> {
    let doing = StoreError::doing("reading batches in doubt");
    let documents: Vec<_> = store
        .collection(COLLECTION)
        .find(doc! { "_id": { "$in": ids }, "applied": false })
        .read_concern(ReadConcern::majority())
        .await
        .map_err(&doing)?
        .try_collect()
        .await
        .map_err(&doing)?;
    documents.into_iter().map(LedgerEntry::from_document).collect()
}

/// Returns the named entries, applied or not; those that were cleaned away are missing.
///
/// # Errors
/// When the database cannot be read.
pub async fn by_ids(store: &Store, ids: &[String]) -> Result<Vec<LedgerEntry>, StoreError> {
    let doing = StoreError::doing("reading batches");
    let cursor = store.collection(COLLECTION).find(doc! { "_id": { "$in": ids } }).await.map_err(&doing)?;
    let documents: Vec<_> = cursor.try_collect().await.map_err(&doing)?;
    documents.into_iter().map(LedgerEntry::from_document).collect()
}

/// Returns the `update` statement that marks entries as applied, for the processor's transaction.
#[must_use]
pub fn mark_applied(ids: &[String]) -> Document {
    doc! {
        "q": { "_id": { "$in": ids } },
        "u": [ { "$set": { "applied": true, "appliedAt": "$$NOW" } } ],
        "multi": true,
    }
}

/// Deletes entries that were applied longer than `grace` before `now`, but for those named; returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn clean(
    store: &Store,
    grace: Duration,
    now: DateTime,
    keep: &[String],
) -> Result<u64, StoreError> {
    let before = DateTime::from_millis(now.timestamp_millis() - grace.as_millis() as i64);
    let outcome = store
        .collection(COLLECTION)
        .delete_many(doc! { "appliedAt": { "$lt": before }, "applied": true, "_id": { "$nin": keep } })
        .await
        .map_err(StoreError::doing("cleaning the ledger"))?;
    Ok(outcome.deleted_count)
}

/// Returns how many readings wait unapplied, and when the oldest entry arrived.
///
/// # Errors
/// When the database cannot be read.
pub async fn waiting(store: &Store) -> Result<(u64, Option<DateTime>), StoreError> {
    let doing = StoreError::doing("summing up the ledger");
    let pipeline = [
        doc! { "$match": { "applied": false } },
        doc! { "$group": { "_id": null, "readings": { "$sum": { "$toLong": "$readings" } }, "oldest": { "$min": "$arrived" } } },
    ];
    let mut cursor = store.collection(COLLECTION).aggregate(pipeline).await.map_err(&doing)?;
    let found = cursor.try_next().await.map_err(&doing)?;
    Ok(found.map_or((0, None), |sum| {
        (sum.get_i64("readings").unwrap_or(0) as u64, sum.get_datetime("oldest").ok().copied())
    }))
}

/// Returns the `update` statement that sets an entry aside which cannot be unpacked: never applied, never deleted.
#[must_use]
pub fn mark_poisoned(id: &str, reason: &str) -> Document {
    doc! { "q": { "_id": id }, "u": { "$set": { "applied": true, "poisoned": reason } } }
}
