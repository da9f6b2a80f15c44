//! Concurrent inserts share one majority commit, so that a thousand slow gateways cost little more than one fast one.
//!
//! No timer: whatever gathered while the previous commands ran goes into the next one.

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::IngestError;
use crate::store::Store;
use crate::store::batches::{self, Inserted, LedgerEntry, Payload};

/// Requests that may wait; beyond, callers wait at the door.
const QUEUE: usize = 4_096;
/// Entries in one command.
const MAX_ENTRIES: usize = 1_000;
/// Payload bytes in one command; MongoDB takes 48 MB.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Commands under way at once: one being committed, one being prepared.
const IN_FLIGHT: usize = 2;

type Request = (LedgerEntry, oneshot::Sender<Inserted>);

/// The queue in front of the ledger.
#[derive(Debug)]
pub(super) struct GroupCommit {
    requests: mpsc::Sender<Request>,
}

impl GroupCommit {
    pub(super) fn start(store: Store) -> Self {
        let (requests, queue) = mpsc::channel(QUEUE);
        tokio::spawn(run(store, queue));
        Self { requests }
    }

    /// Inserts an entry together with whatever else waits.
    pub(super) async fn insert(&self, entry: LedgerEntry) -> Result<Inserted, IngestError> {
        let (answer, outcome) = oneshot::channel();
        self.requests.send((entry, answer)).await.map_err(|_| IngestError::Stopping)?;
        outcome.await.map_err(|_| IngestError::Stopping)
    }
}

async fn run(store: Store, mut queue: mpsc::Receiver<Request>) {
    let permits = std::sync::Arc::new(Semaphore::new(IN_FLIGHT));
    while let Ok(permit) = std::sync::Arc::clone(&permits).acquire_owned().await {
        let Some(first) = queue.recv().await else { return };
        let mut bytes = payload_bytes(&first.0);
        let mut group = vec![first];
        while group.len() < MAX_ENTRIES && bytes < MAX_BYTES {
            let Ok(request) = queue.try_recv() else { break };
            bytes += payload_bytes(&request.0);
            group.push(request);
        }
        let store = store.clone();
        tokio::spawn(async move {
            let (entries, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let outcomes = batches::insert(&store, entries).await;
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // A caller that hung up gets its answer when it sends again.
                drop(answer.send(outcome));
            }
            drop(permit);
        });
    }
}

const fn payload_bytes(entry: &LedgerEntry) -> usize {
    match &entry.payload {
        Payload::Frame(bytes) | Payload::Application(bytes) => bytes.len(),
    }
}
