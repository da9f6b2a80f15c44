//! Ships the buffer to the hub: oldest first, one stream, trimming only what the hub has confirmed.
//!
//! ```text
//! buffer ─read─▶ pack ─frame─▶ hub ─outcome─▶ core ─action─▶ confirm, go back, halve, set aside or pause
//! ```
//!
//! `core` decides, this file does. While a frame is on its way the next one is packed already.
//! This module must not know how commits lie on disk, nor of MQTT.

mod core;
mod hub;
mod pack;
mod settings;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_shared::id::CommitNumber;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::core::{Action, Core, Outcome, Seal};
use crate::buffer::{Buffer, BufferError, ReadLimits, StoredCommit};
use crate::clock::Clock;
use pack::{PackError, Packed, Sealed};

pub(crate) use hub::Hub;
pub use settings::ForwardSettings;

/// The pause after the disk refused to be read.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// How often the clock is looked at while readings wait for it.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);

/// The one sender of one buffer.
pub struct Forwarder {
    buffer: Buffer,
    clock: Arc<Clock>,
    settings: ForwardSettings,
    hub: Hub,
    core: Core,
    newest: watch::Receiver<CommitNumber>,
    /// The next frame, packed while the one before it was on its way.
    ahead: Option<(CommitNumber, JoinHandle<Result<Packed, PackError>>)>,
}

/// Why a forwarder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The HTTP client could not be set up.
    #[error("http client: {0}")]
    Client(#[source] reqwest::Error),
}

impl Forwarder {
    /// Prepares the HTTP client; sends nothing yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(buffer: Buffer, clock: Arc<Clock>, settings: ForwardSettings) -> Result<Self, ForwardError> {
        let hub = Hub::new(&settings)?;
        let (confirmed, readings) = buffer.confirmed();
        let core = Core::new(&settings, confirmed, readings);
        let newest = buffer.subscribe();
        Ok(Self { buffer, clock, settings, hub, core, newest, ahead: None })
    }

    /// Sends until `shutdown` becomes true, then finishes the request in flight.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        while self.until_due(&mut shutdown).await {
            match self.next_frame().await {
                Packed::Sealed(sealed) => {
                    if !self.deliver(sealed, &mut shutdown).await {
                        return;
                    }
                }
                Packed::TooLarge(commits) => self.act_on(Outcome::TooLarge, &commits).await,
                Packed::Held => {
                    let fault = format!("clock is not set ({}): readings wait", self.clock.waits_for());
                    self.buffer.set_link_fault(Some(fault));
                    // Not for more readings, which would wait too. Both branches are cancel-safe: a timer and a watch.
                    tokio::select! {
                        () = tokio::time::sleep(CLOCK_PAUSE) => {}
                        () = stopped(&mut shutdown) => return,
                    }
                }
                Packed::Nothing => {
                    if !self.until_changed(None, &mut shutdown).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until a batch is due; false when it is time to stop.
    async fn until_due(&mut self, shutdown: &mut watch::Receiver<bool>) -> bool {
        loop {
            if *shutdown.borrow() {
                return false;
            }
            self.newest.mark_unchanged();
            let (newest, readings) = self.buffer.newest();
            let deadline = match self.core.seal(newest, readings, Instant::now()) {
                Seal::Now => return true,
                Seal::At(due) => Some(due),
                Seal::Nothing => None,
            };
            if !self.until_changed(deadline, shutdown).await {
                return false;
            }
        }
    }

    /// Waits for a new commit or the deadline; false when it is time to stop.
    async fn until_changed(
        &mut self,
        deadline: Option<Instant>,
        shutdown: &mut watch::Receiver<bool>,
    ) -> bool {
        let due = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        // All branches are cancel-safe: watch receivers keep what they have not seen, a sleep holds nothing.
        tokio::select! {
            changed = self.newest.changed() => changed.is_ok(),
            () = due => true,
            () = stopped(shutdown) => false,
        }
    }

    async fn next_frame(&mut self) -> Packed {
        let next = self.core.next;
        let packing = match self.ahead.take() {
            Some((from, packing)) if from == next => packing,
            _ => self.start_packing(next, self.core.limits(self.buffer.newest().1)),
        };
        self.core.sealed(Instant::now());
        match packing.await {
            Ok(Ok(packed)) => packed,
            Ok(Err(error)) => {
                tracing::error!(%error, "buffer cannot be read");
                tokio::time::sleep(DISK_PAUSE).await;
                Packed::Nothing
            }
            Err(error) => {
                tracing::error!(%error, "packing ended early");
                tokio::time::sleep(DISK_PAUSE).await;
                Packed::Nothing
            }
        }
    }

    fn start_packing(&self, from: CommitNumber, limits: ReadLimits) -> JoinHandle<Result<Packed, PackError>> {
        let (buffer, clock) = (self.buffer.clone(), Arc::clone(&self.clock));
        let agent = self.settings.agent.clone();
        tokio::task::spawn_blocking(move || pack::pack(&buffer, &clock, &agent, from, &limits))
    }

    /// Sends a frame until its fate is known; false when it is time to stop.
    ///
    /// The frame stays in memory meanwhile: should the quota evict its commits, the answer still tells whether the
    /// hub has them.
    async fn deliver(&mut self, sealed: Sealed, shutdown: &mut watch::Receiver<bool>) -> bool {
        self.pack_ahead(&sealed.commits);
        loop {
            let outcome = self.hub.send(&sealed.frame).await;
            match self.core.react(outcome, sealed.commits.len(), rand::random()) {
                Action::Pause { delay, fault } => {
                    tracing::debug!(fault, ?delay, "frame not delivered");
                    self.buffer.set_link_fault(Some(fault));
                    // Both branches are cancel-safe: a sleep and a watch receiver hold nothing.
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = stopped(shutdown) => return false,
                    }
                }
                action => {
                    self.buffer.set_link_fault(None);
                    self.apply(action, &sealed.commits).await;
                    return true;
                }
            }
        }
    }

    fn pack_ahead(&mut self, commits: &[StoredCommit]) {
        let Some(last) = commits.last() else { return };
        let (newest, readings) = self.buffer.newest();
        let waiting = readings.saturating_sub(last.totals.readings);
        if newest > last.commit.number && waiting >= self.settings.batch_readings as u64 {
            let next = last.commit.number.next();
            let limits = self.core.limits(readings);
            self.ahead = Some((next, self.start_packing(next, limits)));
        }
    }

    async fn act_on(&mut self, outcome: Outcome, commits: &[StoredCommit]) {
        let action = self.core.react(outcome, commits.len(), rand::random());
        self.apply(action, commits).await;
    }

    async fn apply(&mut self, action: Action, commits: &[StoredCommit]) {
        match action {
            Action::Confirm(through) => self.confirm(through, commits).await,
            Action::Repack(through) => {
                tracing::warn!(through = through.0, "hub lacks earlier commits, packing anew from there");
                self.confirm(through, commits).await;
            }
            Action::SetAside(reason, detail) => self.set_aside(commits, reason, detail).await,
            Action::Shrink => self.ahead = None,
            Action::Pause { delay, .. } => tokio::time::sleep(delay).await,
        }
    }

    async fn confirm(&mut self, through: CommitNumber, commits: &[StoredCommit]) {
        let readings = commits
            .iter()
            .find(|stored| stored.commit.number == through)
            .map(|stored| stored.totals.readings);
        let sent = pack::sent(commits);
        let buffer = self.buffer.clone();
        off_thread(move || buffer.confirm(through, &sent)).await;
        // Elsewhere than at the end of a sent commit the exact count is unknown; 0 means: take it for a backlog.
        self.core.go_behind(through, readings.unwrap_or_default());
    }

    async fn set_aside(&mut self, commits: &[StoredCommit], reason: &'static str, detail: String) {
        let Some(stored) = commits.first().cloned() else { return };
        let (number, readings) = (stored.commit.number, stored.totals.readings);
        let buffer = self.buffer.clone();
        if off_thread(move || pack::set_aside(&buffer, &stored, reason, &detail)).await {
            self.core.go_behind(number, readings);
            self.ahead = None;
        }
    }
}

/// Runs disk work off the async threads; false when it failed, which is logged.
async fn off_thread(work: impl FnOnce() -> Result<(), BufferError> + Send + 'static) -> bool {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "buffer cannot be written");
            tokio::time::sleep(DISK_PAUSE).await;
            false
        }
        Err(error) => {
            tracing::error!(%error, "disk work ended early");
            false
        }
    }
}

/// Returns when it is time to stop; a dropped sender means the same.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    if shutdown.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("stop signal dropped");
    }
}
