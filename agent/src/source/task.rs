//! A source that runs: watched and stopped alike, whatever it reads.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A source's task. It ends only when it is told to.
#[derive(Debug)]
pub struct SourceTask {
    name: &'static str,
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl SourceTask {
    /// Starts a source; `run` is given what tells it to stop. `name` says which kind it is, such as `serial`.
    pub fn start<F>(name: &'static str, run: impl FnOnce(watch::Receiver<bool>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopping) = watch::channel(false);
        Self { name, task: tokio::spawn(run(stopping)), stop }
    }

    /// Returns which kind of source it is.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Tells whether the task has ended, which it does not by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends the task where it stands, as a crash would.
    #[cfg(test)]
    pub(crate) fn abort(&self) {
        self.task.abort();
    }

    /// Takes nothing more, and returns when what was taken is on disk or `deadline` has passed.
    pub async fn stop(mut self, deadline: Duration) {
        self.stop.send_replace(true);
        match tokio::time::timeout(deadline, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(source = self.name, %error, "source panicked"),
            Err(_) => {
                tracing::warn!(source = self.name, "source did not stop in time");
                self.task.abort();
            }
        }
    }
}
