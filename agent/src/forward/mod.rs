//! Ships the buffer to the hub, trimming only what the hub has confirmed: oldest first, but after an outage what is new
//! overtakes what waited.
//!
//! ```text
//! buffer ─read─▶ pack ─frame─▶ hub ─outcome─▶ core ─action─▶ confirm, go back, halve, set aside or pause
//! ```
//!
//! `core` decides for one lane, this file does. There is one request at a time: the lanes take turns, and the backlog
//! keeps to the pace that the hub grants. While a frame is on its way the next one of its lane is packed already.
//! This module must not know how commits lie on disk, nor of MQTT.

mod core;
mod hub;
mod knock;
mod lanes;
mod pace;
mod pack;
mod settings;
mod way;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_shared::id::CommitNumber;
use tokio::sync::watch;

use self::core::{Action, Outcome, Seal};
use crate::buffer::{Buffer, BufferError, Lane, SentCommit};
use crate::clock::Clock;
use crate::service::Pulse;
use hub::Reply;
use pace::Pace;
use pack::{Packed, Sealed};
use way::Way;

pub(crate) use hub::Hub;
pub use hub::JoinFault;
pub use settings::ForwardSettings;

/// The pause after the disk refused to be read.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// How often the clock is looked at while readings wait for it.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);

/// How long a request in flight may take when it is time to stop.
const ANSWER_GRACE: Duration = Duration::from_secs(2);

/// The one sender of one buffer.
pub struct Forwarder {
    buffer: Buffer,
    clock: Arc<Clock>,
    settings: ForwardSettings,
    hub: Hub,
    main: Way,
    /// Where new commits go while the main lane drains a backlog.
    express: Option<Way>,
    pace: Pace,
    /// The lane that was served last.
    served: Lane,
    newest: watch::Receiver<CommitNumber>,
    pulse: Pulse,
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
        let main = Way::new(Lane::Main, &buffer, &settings);
        let express = buffer.express_is_open().then(|| Way::new(Lane::Express, &buffer, &settings));
        let newest = buffer.subscribe();
        let (pace, served) = (Pace::new(Instant::now()), Lane::Main);
        Ok(Self {
            buffer,
            clock,
            settings,
            hub,
            main,
            express,
            pace,
            served,
            newest,
            pulse: Pulse::default(),
        })
    }

    /// Notes its work on `pulse`; waiting for the network or for readings is none.
    #[must_use]
    pub fn with_pulse(mut self, pulse: Pulse) -> Self {
        self.pulse = pulse;
        self
    }

    /// Sends until `shutdown` becomes true, then finishes the request in flight.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        while let Some(lane) = self.until_due(&mut shutdown).await {
            self.served = lane;
            let pulse = self.pulse.clone();
            match pulse.during(self.next_frame(lane)).await {
                Packed::Sealed(sealed) => {
                    if sealed.is_cut {
                        self.way(lane).core.cut();
                    }
                    if !self.deliver(lane, sealed, &mut shutdown).await {
                        return;
                    }
                }
                Packed::TooLarge(sent) => {
                    let action = self.way(lane).core.react(Outcome::TooLarge, sent.len(), rand::random());
                    self.apply(lane, action, &sent).await;
                }
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
                    let deadline = self.look_again(lane);
                    if !self.until_changed(deadline, &mut shutdown).await {
                        return;
                    }
                }
                Packed::Unreadable => tokio::time::sleep(DISK_PAUSE).await,
            }
            self.fall_back_into_line().await;
        }
    }

    /// Waits until a batch is due and returns of which lane; none when it is time to stop.
    async fn until_due(&mut self, shutdown: &mut watch::Receiver<bool>) -> Option<Lane> {
        loop {
            if *shutdown.borrow() {
                return None;
            }
            if self.express.is_some() != self.buffer.express_is_open() {
                self.take_lanes();
            }
            self.newest.mark_unchanged();
            let (newest, readings) = self.buffer.newest();
            let now = Instant::now();
            let live = self.live().lane();
            let seal = self.live().core.seal(newest, readings, now);
            let backlog = self.buffer.has_backlog().then(|| self.pace.due());
            let backlog_is_due = backlog.is_some_and(|due| due <= now);
            // In turns, should both be due all the time.
            if seal == Seal::Now && !(backlog_is_due && self.served == live) {
                return Some(live);
            }
            if backlog_is_due {
                return Some(Lane::Main);
            }
            let deadline = match seal {
                Seal::At(due) => Some(backlog.map_or(due, |backlog| backlog.min(due))),
                Seal::Now | Seal::Nothing => backlog,
            };
            if !self.until_changed(deadline, shutdown).await {
                return None;
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

    async fn next_frame(&mut self, lane: Lane) -> Packed {
        let (buffer, clock) = (self.buffer.clone(), Arc::clone(&self.clock));
        let agent = self.settings.agent.clone();
        let packing = self.way(lane).take_packing(&buffer, &clock, &agent);
        match packing.await {
            Ok(Ok(packed)) => packed,
            Ok(Err(error)) => {
                tracing::error!(%error, "buffer cannot be read");
                Packed::Unreadable
            }
            Err(error) => {
                tracing::error!(%error, "packing ended early");
                Packed::Unreadable
            }
        }
    }

    /// Sends a frame until its fate is known; false when it is time to stop.
    ///
    /// The frame stays in memory meanwhile: should the quota evict its commits, the answer still tells whether the
    /// hub has them.
    async fn deliver(&mut self, lane: Lane, sealed: Sealed, shutdown: &mut watch::Receiver<bool>) -> bool {
        let (Some(first), Some(last)) = (sealed.sent.first(), sealed.sent.last()) else { return true };
        if !self.buffer.sending(lane, first.number, last.number) {
            return self.until_lanes_are_saved(shutdown).await;
        }
        self.pack_ahead(lane, last, sealed.is_cut);
        let is_backlog = lane == Lane::Main && self.express.is_some();
        loop {
            // What was sent and has no answer is sent again after the next start: the hub knows what it has. Both
            // branches are cancel-safe in this sense.
            let Reply { outcome, grant } = tokio::select! {
                reply = self.hub.send(&sealed.frame, is_backlog) => reply,
                () = given_up(shutdown) => return false,
            };
            let outcome = match outcome {
                // It may only not know what it reads, and knows when it is upgraded.
                Outcome::Refused(reason) if grant.is_none() && self.express.is_some() => {
                    Outcome::Failed(format!("hub without backlogs refuses what overtakes one: {reason}"))
                }
                outcome => outcome,
            };
            let is_taken = matches!(outcome, Outcome::Have(_));
            let is_out_of_reach = matches!(outcome, Outcome::Unreachable(_));
            match self.way(lane).core.react(outcome, sealed.sent.len(), rand::random()) {
                Action::Pause { delay, fault } => {
                    tracing::debug!(fault, ?delay, "frame not delivered");
                    self.buffer.set_link_fault(Some(fault));
                    let over = async {
                        match is_out_of_reach {
                            true => knock::until_answered(delay, || self.hub.answers()).await,
                            false => tokio::time::sleep(delay).await,
                        }
                    };
                    // Both branches are cancel-safe: what knocks is dropped, a watch receiver holds nothing.
                    tokio::select! {
                        () = over => {}
                        () = stopped(shutdown) => return false,
                    }
                }
                action => {
                    self.buffer.set_link_fault(None);
                    let pulse = self.pulse.clone();
                    pulse.during(self.apply(lane, action, &sealed.sent)).await;
                    if is_backlog {
                        self.pace.sent(pack::readings(&sealed.sent), Instant::now());
                    }
                    if let Some(grant) = grant {
                        self.pace.grant(grant);
                        if is_taken && lane == self.live().lane() {
                            self.overtake(&sealed.sent).await;
                        }
                    }
                    return true;
                }
            }
        }
    }

    /// Packs what follows the commit `last`, if that is due already.
    fn pack_ahead(&mut self, lane: Lane, last: &SentCommit, is_cut: bool) {
        let (newest, readings) = self.buffer.newest();
        let waiting = readings.saturating_sub(last.readings_through);
        if newest > last.number && (is_cut || waiting >= self.settings.batch_readings as u64) {
            let (buffer, clock) = (self.buffer.clone(), Arc::clone(&self.clock));
            let agent = self.settings.agent.clone();
            self.way(lane).pack_ahead(last.number.next(), &buffer, &clock, &agent);
        }
    }

    /// Does what was decided on commits that were to be sent.
    async fn apply(&mut self, lane: Lane, action: Action, sent: &[SentCommit]) {
        match action {
            Action::Confirm(through) => self.confirm(lane, through, sent).await,
            Action::Repack(through) => {
                tracing::warn!(through = through.0, "hub lacks earlier commits, packing anew from there");
                self.confirm(lane, through, sent).await;
            }
            Action::SetAside(reason, detail) => self.set_aside(lane, sent, reason, detail).await,
            Action::Shrink => self.way(lane).forget_packed(),
            Action::Pause { delay, .. } => tokio::time::sleep(delay).await,
        }
    }

    async fn confirm(&mut self, lane: Lane, through: CommitNumber, sent: &[SentCommit]) {
        let readings = sent.iter().find(|sent| sent.number == through).map(|sent| sent.readings_through);
        let sent = sent.to_vec();
        let buffer = self.buffer.clone();
        off_thread(move || buffer.confirm(lane, through, &sent)).await;
        // Elsewhere than at the end of a sent commit the exact count is unknown; 0 means: take it for a backlog.
        self.way(lane).core.go_behind(through, readings.unwrap_or_default());
    }

    async fn set_aside(&mut self, lane: Lane, sent: &[SentCommit], reason: &'static str, detail: String) {
        let Some(sent) = sent.first().copied() else { return };
        let (buffer, clock) = (self.buffer.clone(), Arc::clone(&self.clock));
        if off_thread(move || pack::set_aside(&buffer, &clock, lane, &sent, reason, &detail)).await {
            let way = self.way(lane);
            way.core.go_behind(sent.number, sent.readings_through);
            way.forget_packed();
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

/// Returns some time after it is time to stop: a hub that does not answer must not hold the agent up.
async fn given_up(shutdown: &mut watch::Receiver<bool>) {
    stopped(shutdown).await;
    tokio::time::sleep(ANSWER_GRACE).await;
}

/// Returns when it is time to stop; a dropped sender means the same.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    if shutdown.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("stop signal dropped");
    }
}
