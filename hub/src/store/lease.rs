//! `locks`: who may process a partition, by the server's clock.
//!
//! Each take-over raises the fencing epoch. The holder writes the lease document in the same transaction as what it
//! derives: a stale holder's transaction then conflicts or matches nothing, and dies.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;

use super::{Store, StoreError, majority};
use crate::rollup::Partition;

/// The collection's name.
pub const COLLECTION: &str = "locks";

/// The fencing epoch: grows with every change of the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseEpoch(pub i64);

fn lease_id(partition: Partition) -> String {
    format!("processor/{}", partition.0)
}

/// Takes the lease if nobody holds it; none when somebody does.
///
/// # Errors
/// When the database cannot be reached.
pub async fn acquire(
    store: &Store,
    partition: Partition,
    holder: &str,
    duration: Duration,
) -> Result<Option<LeaseEpoch>, StoreError> {
    let doing = StoreError::doing("taking the lease");
    let collection = store.collection(COLLECTION);
    let fresh = doc! { "$setOnInsert": {
        "holder": "", "epoch": 0_i64, "expires": mongodb::bson::DateTime::from_millis(0),
    } };
    collection
        .update_one(doc! { "_id": lease_id(partition) }, fresh)
        .upsert(true)
        .write_concern(majority())
        .await
        .map_err(&doing)?;
    let expired = doc! { "_id": lease_id(partition), "$expr": { "$lt": ["$expires", "$$NOW"] } };
    let take = vec![
        doc! { "$set": {
            "holder": holder, "epoch": { "$add": ["$epoch", 1_i64] }, "expires": expiry(duration),
        } },
        // The predecessor's, ended by now.
        doc! { "$unset": "session" },
    ];
    let taken = collection
        .find_one_and_update(expired, take)
        .return_document(ReturnDocument::After)
        .write_concern(majority())
        .await
        .map_err(&doing)?;
    taken
        .map(|lease| {
            let epoch = lease.get_i64("epoch");
            epoch.map(LeaseEpoch).map_err(|error| StoreError::document("taking the lease", error))
        })
        .transpose()
}

/// Notes which server session the holder's transactions run in, so that a successor can end what it left open.
///
/// # Errors
/// When the database cannot be reached.
pub async fn note_session(
    store: &Store,
    partition: Partition,
    epoch: LeaseEpoch,
    session: &Document,
) -> Result<(), StoreError> {
    store
        .collection(COLLECTION)
        .update_one(
            doc! { "_id": lease_id(partition), "epoch": epoch.0 },
            doc! { "$set": { "session": session } },
        )
        .write_concern(majority())
        .await
        .map_err(StoreError::doing("noting the session"))?;
    Ok(())
}

/// Forgets the session once its last transaction is over: the driver uses it for other things from then on.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget_session(
    store: &Store,
    partition: Partition,
    epoch: LeaseEpoch,
) -> Result<(), StoreError> {
    store
        .collection(COLLECTION)
        .update_one(
            doc! { "_id": lease_id(partition), "epoch": epoch.0 },
            doc! { "$unset": { "session": "" } },
        )
        .write_concern(majority())
        .await
        .map_err(StoreError::doing("forgetting the session"))?;
    Ok(())
}

/// Ends the session of a holder whose lease has expired. A transaction that a killed hub left open would otherwise
/// hold the lease document, and with it every successor, for MongoDB's limit of 60 s.
///
/// # Errors
/// When the database cannot be reached.
pub async fn end_expired_session(store: &Store, partition: Partition) -> Result<(), StoreError> {
    let expired = doc! { "_id": lease_id(partition), "$expr": { "$lt": ["$expires", "$$NOW"] } };
    let found = store.collection(COLLECTION).find_one(expired).await;
    let found = found.map_err(StoreError::doing("looking for the predecessor's session"))?;
    match found.as_ref().and_then(|lease| lease.get_document("session").ok()) {
        Some(session) => kill_session(store, session).await,
        None => Ok(()),
    }
}

/// Ends whatever runs in a server session, its open transaction above all.
///
/// # Errors
/// When the database cannot be reached.
pub async fn kill_session(store: &Store, session: &Document) -> Result<(), StoreError> {
    let kill = store.database().run_command(doc! { "killSessions": [session] });
    kill.await.map_err(StoreError::doing("ending a session"))?;
    Ok(())
}

/// Returns the `update` statement that renews the lease; it matches nothing once the lease has moved.
#[must_use]
pub fn renew(partition: Partition, epoch: LeaseEpoch, duration: Duration) -> Document {
    doc! {
        "q": { "_id": lease_id(partition), "epoch": epoch.0 },
        "u": [ { "$set": { "expires": expiry(duration) } } ],
    }
}

/// Gives the lease up, so that the next holder need not wait for its expiry.
///
/// # Errors
/// When the database cannot be reached.
pub async fn release(store: &Store, partition: Partition, epoch: LeaseEpoch) -> Result<(), StoreError> {
    store
        .collection(COLLECTION)
        .update_one(
            doc! { "_id": lease_id(partition), "epoch": epoch.0 },
            doc! { "$set": { "expires": mongodb::bson::DateTime::from_millis(0) } },
        )
        .write_concern(majority())
        .await
        .map_err(StoreError::doing("releasing the lease"))?;
    Ok(())
}

/// Renews the lease outside of a transaction; false once it has moved.
///
/// # Errors
/// When the database cannot be reached.
pub async fn renew_alone(
    store: &Store,
    partition: Partition,
    epoch: LeaseEpoch,
    duration: Duration,
) -> Result<bool, StoreError> {
    let answer = store
        .database()
        .run_command(doc! {
            "update": COLLECTION,
            "updates": [renew(partition, epoch, duration)],
            "writeConcern": { "w": "majority" },
        })
        .await
        .map_err(StoreError::doing("renewing the lease"))?;
    Ok(answer.get_i32("n").unwrap_or(0) == 1)
}

fn expiry(duration: Duration) -> Document {
    doc! { "$add": ["$$NOW", duration.as_millis() as i64] }
}
