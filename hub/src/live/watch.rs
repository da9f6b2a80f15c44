//! The process's one change stream, over the ordinary collections.

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::change_stream::event::ResumeToken;
use penstock_shared::backoff::Backoff;
use tokio::sync::watch::Receiver;

use super::Live;
use crate::ingest::Pending;
use crate::store::{StoreError, batches, changes};

/// How long the server waits for a change before it answers with nothing; also how soon a stop is seen.
const MAX_AWAIT: Duration = Duration::from_millis(500);
/// The code of ChangeStreamHistoryLost: the token is older than the oplog, resuming never works.
const HISTORY_LOST: i32 = 286;

/// Watches until told to stop; opens the stream again after every failure.
pub(super) async fn run(live: Live, pending: Arc<Pending>, shutdown: Receiver<bool>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut token: Option<ResumeToken> = None;
    while !*shutdown.borrow() {
        match watch(&live, &pending, &mut token, &shutdown, &mut backoff).await {
            Ok(()) => return,
            Err(error) => {
                if lost_history(&error) {
                    token = None;
                }
                live.telemetry.change_streams_reopened.increment();
                tracing::warn!(%error, resumes = token.is_some(), "change stream ended");
                tokio::time::sleep(backoff.next_delay(rand::random())).await;
            }
        }
    }
}

fn lost_history(error: &StoreError) -> bool {
    match error {
        StoreError::Database { source, .. } => matches!(
            source.kind.as_ref(),
            mongodb::error::ErrorKind::Command(command) if command.code == HISTORY_LOST || command.code == 260
        ),
        StoreError::Document { .. } => false,
    }
}

async fn watch(
    live: &Live,
    pending: &Pending,
    token: &mut Option<ResumeToken>,
    shutdown: &Receiver<bool>,
    backoff: &mut Backoff,
) -> Result<(), StoreError> {
    let doing = StoreError::doing("watching for changes");
    let interesting = doc! { "$match": { "$or": [
        { "ns.coll": batches::COLLECTION, "operationType": "insert" },
        { "ns.coll": changes::COLLECTION, "operationType": { "$in": ["insert", "replace"] } },
        { "ns.coll": "agents", "operationType": { "$in": ["insert", "replace", "update"] } },
    ] } };
    let without_frames = doc! { "$project": {
        "ns": 1, "documentKey": 1, "operationType": 1,
        "fullDocument": { "$cond": [{ "$eq": ["$ns.coll", changes::COLLECTION] }, "$fullDocument", "$$REMOVE"] },
    } };
    let resumed = token.is_some();
    let mut watching = live.store.database().watch().pipeline([interesting, without_frames]);
    watching = watching.max_await_time(MAX_AWAIT);
    if let Some(token) = token.clone() {
        watching = watching.start_after(token);
    }
    let mut stream = watching.await.map_err(&doing)?.with_type::<Document>();
    if !resumed {
        // What happened before the stream was open is not in it.
        live.dirty.note(|dirty| dirty.missed = true);
        pending.wake();
    }
    backoff.reset();
    while !*shutdown.borrow() {
        let event = stream.next_if_any().await.map_err(&doing)?;
        match event {
            Some(event) => apply(live, pending, &event)?,
            None if !stream.is_alive() => {
                return Err(StoreError::document("watching for changes", "stream ended"));
            }
            None => {}
        }
        *token = stream.resume_token();
    }
    Ok(())
}

fn apply(live: &Live, pending: &Pending, event: &Document) -> Result<(), StoreError> {
    let collection =
        event.get_document("ns").and_then(|namespace| namespace.get_str("coll")).unwrap_or_default();
    if collection == batches::COLLECTION {
        pending.wake();
    } else if collection == changes::COLLECTION {
        let document = event
            .get_document("fullDocument")
            .map_err(|error| StoreError::document("watching for changes", error))?;
        let change = changes::from_document(document)?;
        match change.buckets {
            Some(keys) => {
                let watched = live.fan_out.watched(keys);
                let events = live.fan_out.watches_events();
                live.dirty.note(|dirty| {
                    dirty.buckets.extend(watched);
                    dirty.oldest_received.extend(change.oldest_received);
                    if events {
                        dirty.batches.extend(change.batches);
                    }
                });
            }
            None => live.dirty.note(|dirty| dirty.missed = true),
        }
    } else if let Ok(agent) = event.get_document("documentKey").and_then(|key| key.get_str("_id")) {
        live.dirty.note(|dirty| {
            dirty.agents.insert(agent.to_owned());
        });
    }
    Ok(())
}
