//! The agent at work, and its end: sources first, then what they delivered, then the way to the hub.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use super::inflow::Inflow;
use super::outflow::Outflow;
use super::{Load, RunError, within};
use crate::committer::CommitHandle;
use crate::config::Settings;
use crate::service::Supervisor;
use crate::status::Observer;

/// How long the committer has for what is queued: several flushes of a slow disk.
const COMMIT_DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(500);

/// Everything that runs.
pub(super) struct Running {
    pub(super) settings: Settings,
    pub(super) load: Load,
    pub(super) supervisor: Arc<Supervisor>,
    pub(super) heart: Task<()>,
    pub(super) inflow: Inflow,
    pub(super) commits: CommitHandle,
    pub(super) committer: JoinHandle<()>,
    pub(super) outflow: Outflow,
    pub(super) observer: Arc<Observer>,
    /// Ends the control socket.
    pub(super) stop_control: watch::Sender<bool>,
}

/// The signals that the agent hears.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

enum Event {
    Stop,
    Reload,
    Ended(&'static str),
}

impl Signals {
    /// Hears them from now on; a hang-up ends a program that does not.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub(super) fn hear() -> Result<Self, RunError> {
        let hear = |kind| signal(kind).map_err(RunError::System);
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
            hang_up: hear(SignalKind::hangup())?,
        })
    }
}

impl Running {
    /// Waits for a signal, or for a part that ends by itself, and stops everything.
    pub(super) async fn until_stopped(mut self, mut signals: Signals) -> Result<(), RunError> {
        self.supervisor.ready(&self.describe());
        let outcome = loop {
            // Every branch is cancel-safe: signals and a poll of task states.
            let event = tokio::select! {
                _ = signals.terminate.recv() => Event::Stop,
                _ = signals.interrupt.recv() => Event::Stop,
                _ = signals.hang_up.recv() => Event::Reload,
                part = self.a_part_ends() => Event::Ended(part),
            };
            match event {
                Event::Stop => break Ok(()),
                Event::Ended(part) => break Err(RunError::Ended(part)),
                Event::Reload => {
                    if let Err(error) = self.reload().await {
                        break Err(error);
                    }
                }
            }
        };
        match &outcome {
            Ok(()) => tracing::info!("stopping"),
            Err(error) => tracing::error!(%error, "stopping"),
        }
        self.supervisor.stopping();
        self.stop().await;
        outcome
    }

    /// Says what the agent does, for who supervises it.
    pub(super) fn describe(&self) -> String {
        format!("{} sources, sending to {}", self.inflow.count(), self.settings.hub.url)
    }

    async fn a_part_ends(&self) -> &'static str {
        loop {
            tokio::time::sleep(POLL).await;
            if self.committer.is_finished() {
                return "committer";
            }
            if let Some(ended) = self.outflow.ended().or_else(|| self.inflow.ended()) {
                return ended;
            }
        }
    }

    async fn stop(self) {
        self.inflow.stop().await;
        // With the last handle gone the committer makes durable what is queued, and ends.
        drop(self.commits);
        let committer = self.committer;
        let mut joined = tokio::task::spawn_blocking(move || committer.join());
        within(COMMIT_DEADLINE, "committer", &mut joined).await;
        self.outflow.stop().await;
        self.stop_control.send_replace(true);
        // A stop that hangs is the watchdog's matter too.
        self.heart.abort();
        tracing::info!("stopped");
    }
}
