//! Applies the ledger: every reading once into `events_ts`, once into every rollup.
//!
//! ```text
//! ledger ─▶ fetch, unpack, skip what is applied ─▶ declare the intent ─▶ insert into events_ts ─▶ ONE transaction:
//!           (prepare)                               (in doubt from here)   (insert)               rollups, watermarks,
//!                                                                                                 ledger marks, lease (commit)
//! ```
//!
//! The three stages work on three groups at once. Any error ends the session: the next one takes the lease anew,
//! reads back what is in doubt, and goes on. An error after a send means *unknown*, never *not written*.

mod buckets;
mod commit;
mod fetch;
mod group;
mod hours_and_days;
mod insert;
mod lease_clock;
mod recover;
mod session;
mod transaction;
mod watermarks;

use std::sync::Arc;
use std::time::Duration;

use penstock_shared::backoff::Backoff;
use tokio::sync::watch;

use crate::ingest::Pending;
use crate::rollup::Partition;
use crate::store::lease::{self, LeaseEpoch};
use crate::store::{Retention, Store, StoreError, batches, progress, rollups};
use crate::telemetry::Telemetry;

/// How often applied batches past their grace, and rollups past their retention, are deleted.
const CLEANING_INTERVAL: Duration = Duration::from_secs(60);
/// Groups do not begin smaller than this, nor than one batch.
const MIN_GROUP_READINGS: u32 = 500;
const RETRY_BASE: Duration = Duration::from_millis(200);
const RETRY_CAP: Duration = Duration::from_secs(5);

/// How the processor works.
#[derive(Debug, Clone)]
pub struct ProcessorOptions {
    /// How long a lease lasts without renewal.
    pub lease: Duration,
    /// Readings in one group, about.
    pub group_readings: u32,
    /// How long applied batches stay in the ledger.
    pub ledger_grace: Duration,
    /// How long rollups are kept.
    pub retention: Retention,
}

/// What every part of the processor works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The database.
    pub store: Store,
    /// What waits in the ledger.
    pub pending: Arc<Pending>,
    /// The hub's counters.
    pub telemetry: Arc<Telemetry>,
    /// How it works.
    pub options: ProcessorOptions,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another hub holds the lease now.
    #[error("the lease moved to another hub")]
    Fenced,
    /// Another stage failed and says why itself.
    #[error("the next stage ended")]
    StageEnded,
    /// A worker thread panicked.
    #[error("unpacking failed: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

/// Processes one partition until told to stop: takes the lease whenever it is free, and works while it holds it.
///
/// After a session that fails, groups begin half as large and grow again: what is too much for a transaction's time
/// gets through in parts.
pub async fn run(context: Context, partition: Partition, mut shutdown: watch::Receiver<bool>) {
    let mut first_group = context.options.group_readings;
    let cleaning = tokio::spawn(clean(context.clone(), shutdown.clone()));
    let mut backoff = Backoff::new(RETRY_BASE, RETRY_CAP);
    while !*shutdown.borrow() {
        let delay = match take_lease(&context, partition).await {
            Ok(Some((epoch, clock))) => {
                tracing::info!(partition = partition.0, epoch = epoch.0, "lease taken");
                let session = session::run(&context, partition, epoch, clock, first_group, shutdown.clone());
                match session.await {
                    Ok(()) => break,
                    Err(error) => {
                        first_group = (first_group / 2).max(MIN_GROUP_READINGS);
                        context.telemetry.groups_failed.increment();
                        tracing::warn!(partition = partition.0, %error, "processing session ended");
                    }
                }
                RETRY_BASE
            }
            Ok(None) => {
                backoff.reset();
                first_group = context.options.group_readings;
                (context.options.lease / 10).max(RETRY_BASE)
            }
            Err(error) => {
                tracing::warn!(partition = partition.0, %error, "lease not taken");
                backoff.next_delay(rand::random())
            }
        };
        // Both branches are cancel-safe: a timer and a watch.
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = shutdown.wait_for(|stop| *stop) => {}
        }
    }
    if let Err(error) = cleaning.await {
        tracing::error!(%error, "cleaning failed");
    }
}

async fn take_lease(
    context: &Context,
    partition: Partition,
) -> Result<Option<(LeaseEpoch, lease_clock::LeaseClock)>, StoreError> {
    // A holder of its own for each session: even the same hub takes the lease anew, with a new fencing epoch.
    let holder = format!("{:016x}", rand::random::<u64>());
    lease::end_expired_session(&context.store, partition).await?;
    let clock = lease_clock::LeaseClock::start(context.options.lease);
    let taken = lease::acquire(&context.store, partition, &holder, context.options.lease).await?;
    Ok(taken.map(|epoch| (epoch, clock)))
}

async fn clean(context: Context, mut shutdown: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(CLEANING_INTERVAL) => {}
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
        match clean_once(&context).await {
            Ok(0) => {}
            Ok(deleted) => tracing::debug!(deleted, "applied batches and expired rollups deleted"),
            Err(error) => tracing::warn!(%error, "ledger and rollups not cleaned"),
        }
    }
}

/// Deletes rollups past their retention, and applied batches past their grace, but for those that the hours and days
/// still wait for.
async fn clean_once(context: &Context) -> Result<u64, StoreError> {
    let deferred = progress::deferred(&context.store, None).await?;
    let keep: Vec<_> = deferred.into_iter().map(|batch| batch.id).collect();
    // The server's clock: a hub whose own is wrong must not delete what the others still need.
    let now = context.store.server_time().await?;
    let cleaned = batches::clean(&context.store, context.options.ledger_grace, now, &keep).await?;
    let expired = rollups::expire(&context.store, &context.options.retention, now).await?;
    Ok(cleaned + expired)
}
