//! The way out: what sends readings and reports to the hub. It is replaced as a whole, and the buffer is untouched.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use super::{wiring, within};
use crate::buffer::Buffer;
use crate::clock::Clock;
use crate::config::Settings;
use crate::forward::{ForwardError, Forwarder};
use crate::service::Pulse;
use crate::status::{Observer, Reporter};

/// How long the forwarder may go on emptying the buffer. What stays is safe on disk.
const FORWARD_GRACE: Duration = Duration::from_secs(2);
/// How long a task has to end; the forwarder gives a request in flight 2 s.
const TASK_DEADLINE: Duration = Duration::from_secs(4);
const POLL: Duration = Duration::from_millis(20);

/// Forwarder and reporter at work.
pub(super) struct Outflow {
    kept: Kept,
    stop_sending: watch::Sender<bool>,
    forwarder: Task<()>,
    stop_reporting: watch::Sender<bool>,
    reporter: Task<()>,
}

/// What outlives a change.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) buffer: Buffer,
    pub(super) clock: Arc<Clock>,
    pub(super) observer: Arc<Observer>,
    pub(super) pulse: Pulse,
}

impl Outflow {
    /// Starts sending and reporting.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub(super) fn start(settings: &Settings, kept: Kept) -> Result<Self, ForwardError> {
        let chosen = wiring::forward_settings(settings);
        let forwarder = Forwarder::new(kept.buffer.clone(), Arc::clone(&kept.clock), chosen.clone())?;
        let reporter = Reporter::new(Arc::clone(&kept.observer), &chosen)?;
        let (stop_sending, sending_stops) = watch::channel(false);
        let (stop_reporting, reporting_stops) = watch::channel(false);
        Ok(Self {
            forwarder: tokio::spawn(forwarder.with_pulse(kept.pulse.clone()).run(sending_stops)),
            reporter: tokio::spawn(reporter.run(reporting_stops)),
            stop_sending,
            stop_reporting,
            kept,
        })
    }

    /// Sends and reports as `settings` say from now on. There is never more than one sender.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up; then nothing is sent any more.
    pub(super) async fn change(&mut self, settings: &Settings) -> Result<(), ForwardError> {
        self.end().await;
        *self = Self::start(settings, self.kept.clone())?;
        Ok(())
    }

    /// Names a part that has ended, which none does by itself.
    pub(super) fn ended(&self) -> Option<&'static str> {
        let parts = [("forwarder", &self.forwarder), ("reporter", &self.reporter)];
        parts.into_iter().find(|(_, task)| task.is_finished()).map(|(part, _)| part)
    }

    /// Sends what can be sent in a short time, and ends.
    pub(super) async fn stop(mut self) {
        let buffer = self.kept.buffer.clone();
        let emptied = async {
            while buffer.counts().buffered > 0 {
                tokio::time::sleep(POLL).await;
            }
        };
        if !self.forwarder.is_finished() && tokio::time::timeout(FORWARD_GRACE, emptied).await.is_err() {
            tracing::info!(
                readings = self.kept.buffer.counts().buffered,
                "readings stay on disk for the next start"
            );
        }
        self.end().await;
    }

    async fn end(&mut self) {
        self.stop_sending.send_replace(true);
        if !within(TASK_DEADLINE, "forwarder", &mut self.forwarder).await {
            self.forwarder.abort();
        }
        self.stop_reporting.send_replace(true);
        if !within(TASK_DEADLINE, "reporter", &mut self.reporter).await {
            self.reporter.abort();
        }
    }
}
