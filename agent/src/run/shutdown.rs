//! The agent at work, and its end: sources first, then what they delivered, then the way to the hub.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use super::RunError;
use crate::buffer::Buffer;
use crate::committer::CommitHandle;
use crate::service::Supervisor;
use crate::source::SourceTask;
use crate::source::mqtt_listener::MqttListener;

/// How long a source has for what it took and not acknowledged yet.
const SOURCE_DEADLINE: Duration = Duration::from_secs(10);
/// How long the committer has for what is queued: several flushes of a slow disk.
const COMMIT_DEADLINE: Duration = Duration::from_secs(20);
/// How long the forwarder may go on emptying the buffer. What stays is safe on disk.
const FORWARD_GRACE: Duration = Duration::from_secs(2);
/// How long a request in flight has to come back.
const TASK_DEADLINE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

/// Everything that runs.
pub(super) struct Running {
    pub(super) supervisor: Arc<Supervisor>,
    pub(super) heart: Task<()>,
    pub(super) buffer: Buffer,
    pub(super) listener: Option<MqttListener>,
    pub(super) sources: Vec<SourceTask>,
    pub(super) commits: CommitHandle,
    pub(super) committer: JoinHandle<()>,
    pub(super) stop_sending: watch::Sender<bool>,
    pub(super) forwarder: Task<()>,
    pub(super) stop_reporting: watch::Sender<bool>,
    pub(super) reporter: Task<()>,
}

impl Running {
    /// Waits for a signal, or for a part that ends by itself, and stops everything.
    pub(super) async fn until_stopped(mut self) -> Result<(), RunError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(RunError::System)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::System)?;
        self.supervisor.ready("takes readings in");
        // Every branch is cancel-safe: two signals and a poll of task states.
        let outcome = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            part = self.a_part_ends() => Err(RunError::Ended(part)),
        };
        match &outcome {
            Ok(()) => tracing::info!("stopping"),
            Err(error) => tracing::error!(%error, "stopping"),
        }
        self.supervisor.stopping();
        self.stop().await;
        outcome
    }

    async fn a_part_ends(&mut self) -> &'static str {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if self.committer.is_finished() {
                return "committer";
            }
            if self.forwarder.is_finished() {
                return "forwarder";
            }
            if self.reporter.is_finished() {
                return "reporter";
            }
            if self.listener.as_ref().is_some_and(MqttListener::has_ended) {
                return "mqtt listener";
            }
            if let Some(ended) = self.sources.iter().find(|source| source.has_ended()) {
                return ended.name();
            }
        }
    }

    async fn stop(self) {
        if let Some(listener) = self.listener {
            listener.stop().await;
        }
        futures_util::future::join_all(self.sources.into_iter().map(|source| source.stop(SOURCE_DEADLINE)))
            .await;
        // With the last handle gone the committer makes durable what is queued, and ends.
        drop(self.commits);
        let committer = self.committer;
        within(COMMIT_DEADLINE, "committer", tokio::task::spawn_blocking(move || committer.join())).await;

        let emptied = async {
            while self.buffer.counts().buffered > 0 {
                tokio::time::sleep(POLL).await;
            }
        };
        if !self.forwarder.is_finished() && tokio::time::timeout(FORWARD_GRACE, emptied).await.is_err() {
            tracing::info!(
                readings = self.buffer.counts().buffered,
                "readings stay on disk for the next start"
            );
        }
        self.stop_sending.send_replace(true);
        within(TASK_DEADLINE, "forwarder", self.forwarder).await;
        self.stop_reporting.send_replace(true);
        within(TASK_DEADLINE, "reporter", self.reporter).await;
        // A stop that hangs is the watchdog's matter too.
        self.heart.abort();
        tracing::info!("stopped");
    }
}

/// Waits for a part to end and says so when it does not.
async fn within<T>(deadline: Duration, part: &str, task: Task<T>) {
    match tokio::time::timeout(deadline, task).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(part, %error, "a part panicked"),
        Err(_) => tracing::warn!(part, ?deadline, "a part did not end in time"),
    }
}
