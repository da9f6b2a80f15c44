//! Second stage: inserts the readings of declared groups into `events_ts`.

use mongodb::bson::RawDocumentBuf;
use tokio::sync::mpsc;

use super::group::Group;
use super::lease_clock::LeaseClock;
use super::{Context, SessionError};
use crate::store::events;

/// Documents in one command: few enough that two commands share a large group.
const MAX_DOCUMENTS: usize = 10_000;

/// Works until the first stage ends; whatever was sent is awaited before this returns, so that nothing of this
/// session can still arrive once the next one reads back.
pub(super) async fn run(
    context: Context,
    clock: LeaseClock,
    mut groups: mpsc::Receiver<Group>,
    inserted: mpsc::Sender<Group>,
) -> Result<(), SessionError> {
    while let Some(mut group) = groups.recv().await {
        let documents = std::mem::take(&mut group.documents);
        insert(&context, &clock, documents).await?;
        inserted.send(group).await.map_err(|_| SessionError::StageEnded)?;
    }
    Ok(())
}

async fn insert(
    context: &Context,
    clock: &LeaseClock,
    mut documents: Vec<RawDocumentBuf>,
) -> Result<(), SessionError> {
    let mut running = Vec::new();
    while !documents.is_empty() {
        let rest = documents.split_off(documents.len().min(MAX_DOCUMENTS));
        let chunk = std::mem::replace(&mut documents, rest);
        if !clock.may_send() {
            await_all(running).await?;
            return Err(SessionError::Fenced);
        }
        let store = context.store.clone();
        running.push(tokio::spawn(async move { events::insert(&store, chunk).await }));
    }
    await_all(running).await
}

async fn await_all(
    running: Vec<tokio::task::JoinHandle<Result<(), crate::store::StoreError>>>,
) -> Result<(), SessionError> {
    let mut outcome = Ok(());
    for task in running {
        match task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => outcome = Err(error.into()),
            Err(error) => outcome = Err(error.into()),
        }
    }
    outcome
}
