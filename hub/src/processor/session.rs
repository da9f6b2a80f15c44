//! One session: from taking the lease to the first error, or to the end.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use mongodb::bson::{Bson, doc};
use tokio::sync::{mpsc, watch};

use super::buckets::OpenBuckets;
use super::commit::Commit;
use super::fetch::{Fetch, InFlight};
use super::lease_clock::LeaseClock;
use super::transaction::Transactions;
use super::{Context, SessionError, hours_and_days, insert, recover};
use crate::rollup::Partition;
use crate::store::lease::{self, LeaseEpoch};
use crate::store::{StoreError, batches, progress};

/// Runs until told to stop or until an error, then releases the lease. Only where an insert may still arrive after
/// an error, the lease is left to expire, so that it has arrived or died before anyone reads back.
pub(super) async fn run(
    context: &Context,
    partition: Partition,
    epoch: LeaseEpoch,
    clock: LeaseClock,
    first_group: u32,
    shutdown: watch::Receiver<bool>,
) -> Result<(), SessionError> {
    // Before anything else: reading back and completing may take longer than the lease lasts.
    let (finished, ended) = watch::channel(false);
    let renewal = tokio::spawn(renew(context.clone(), partition, epoch, clock.clone(), ended));
    let server = server_process(context).await?;
    let (waiting, oldest) = batches::waiting(&context.store).await?;
    context.pending.set(waiting, oldest.map(mongodb::bson::DateTime::timestamp_millis));
    let named = progress::take_intent(&context.store, partition, epoch).await?;
    let in_doubt = recover::read_back(context, &named).await?;

    let mut buckets = OpenBuckets::new(partition);
    let hours_and_days = hours_and_days::take_over(context, partition, &mut buckets).await?;

    let session =
        context.store.client().start_session().await.map_err(StoreError::doing("starting a session"))?;
    lease::note_session(&context.store, partition, epoch, session.id()).await?;

    let in_flight = InFlight::default();
    in_flight.add(in_doubt.entries.iter().map(|entry| entry.id.clone()));
    let (to_insert, prepared) = mpsc::channel(1);
    let (to_commit, inserted) = mpsc::channel(1);
    let fetch = Fetch {
        context: context.clone(),
        partition,
        lease: epoch,
        in_flight: in_flight.clone(),
        groups: to_insert,
        group_readings: first_group,
        shutdown,
    };
    let commit = Commit {
        context: context.clone(),
        partition,
        lease: epoch,
        in_flight,
        transactions: Transactions {
            context: context.clone(),
            partition,
            lease: epoch,
            clock: clock.clone(),
            session,
        },
        buckets,
        hours_and_days,
        known_series: HashSet::new(),
        last_values: HashMap::new(),
        transactions_committed: 0,
    };
    // Joined, not raced: no stage is dropped in the middle of a command. A stage that fails closes its channels,
    // and the others come to their end behind it.
    let (fetched, inserted, committed) = tokio::join!(
        fetch.run(in_doubt),
        insert::run(context.clone(), clock, prepared, to_commit),
        commit.run(inserted),
    );
    finished.send_replace(true);
    renewal.await?;
    let insert_in_doubt = matches!(inserted, Err(SessionError::Store(_)));
    let outcomes = [committed, inserted, fetched];
    let mut errors: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    errors.sort_by_key(|error| matches!(error, SessionError::StageEnded));
    // An insert in doubt died with the server process that had it.
    if !insert_in_doubt || server_process(context).await? != server {
        lease::release(&context.store, partition, epoch).await?;
    }
    errors.into_iter().next().map_or(Ok(()), Err)
}

/// Tells one life of the primary from the next: what a dead one had not done will never be done.
async fn server_process(context: &Context) -> Result<Option<Bson>, StoreError> {
    let hello = context
        .store
        .client()
        .database("admin")
        .run_command(doc! { "hello": 1 })
        .await
        .map_err(StoreError::doing("asking the server who it is"))?;
    let process =
        hello.get_document("topologyVersion").ok().and_then(|version| version.get("processId").cloned());
    Ok(process)
}

/// Renews the lease while groups are long or rare. A failed renewal is not fatal by itself: the clock runs out.
async fn renew(
    context: Context,
    partition: Partition,
    epoch: LeaseEpoch,
    clock: LeaseClock,
    mut ended: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(clock.renewal_interval()) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        let sent = Instant::now();
        match lease::renew_alone(&context.store, partition, epoch, context.options.lease).await {
            Ok(true) => clock.renewed(sent),
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, "lease not renewed"),
        }
    }
}
