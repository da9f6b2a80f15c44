//! What the agent says of itself: to the hub as a report, to the operator as `status.json` and a table.

mod observer;
mod rates;
mod sources;
mod table;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use penstock_shared::report::AgentReport;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::edge::Withheld;
use crate::forward::{ForwardError, ForwardSettings, Hub};
use crate::wear::Wear;
pub use observer::{HubState, Observer, Seen};
pub use sources::{SourceBoard, SourceCounts, SourceStatus};
pub use table::{render, worn, wrongs};

/// The status file's name in the buffer directory.
pub const STATUS_FILE: &str = "status.json";

/// What `status.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The same as the hub gets.
    #[serde(flatten)]
    pub report: AgentReport,
    /// Whether received is the sum of all the others.
    pub balanced: bool,
    /// Where readings are sent.
    pub hub: String,
    /// Whether it answers.
    #[serde(default)]
    pub hub_state: HubState,
    /// Whether the agent runs; a file says it of the moment when it was written.
    #[serde(default)]
    pub running: bool,
    /// The process that runs, or ran; 0 where an older version wrote the file.
    #[serde(default)]
    pub pid: u32,
    /// Bytes that may still be written to the buffer's file system; none when it does not tell.
    #[serde(default)]
    pub disk_free_bytes: Option<u64>,
    /// What the disk bears; none where an older version wrote the file.
    #[serde(default)]
    pub wear: Option<Wear>,
    /// Whether this machine's clock is set; while it is not, readings wait.
    #[serde(default)]
    pub clock_set: bool,
    /// Readings that were not kept since the start, as configured; the books count them as rejected.
    #[serde(default)]
    pub withheld: Withheld,
    /// What each source counted since the start.
    #[serde(default)]
    pub sources: Vec<SourceCounts>,
}

/// Why the status cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// There is no status file: the agent never ran with this buffer.
    #[error("no status in {0}: the agent never ran with this buffer")]
    Absent(PathBuf),
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not what an agent of this version writes.
    #[error("{path}: {source}")]
    Strange {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Writes the status file and reports to the hub, every few seconds.
pub struct Reporter {
    observer: Arc<Observer>,
    report_every: Duration,
    hub: Hub,
}

impl Reporter {
    /// Prepares the HTTP client; sends nothing yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(observer: Arc<Observer>, settings: &ForwardSettings) -> Result<Self, ForwardError> {
        Ok(Self { observer, report_every: settings.report_every, hub: Hub::new(settings)? })
    }

    /// Reports until `shutdown` becomes true, then writes the status file a last time.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.report_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Both branches are cancel-safe: an interval and a watch receiver hold nothing.
            let stopping = tokio::select! {
                _ = ticks.tick() => false,
                _ = shutdown.wait_for(|stop| *stop) => true,
            };
            let report = self.write().await;
            if stopping {
                return;
            }
            let Some(report) = report else { continue };
            // A hub that cannot be reached is the forwarder's to tell; a report that is lost is followed by another.
            tokio::select! {
                outcome = self.hub.report(&report) => {
                    self.observer.note_hub(&outcome);
                    if let Err(error) = outcome {
                        tracing::debug!(error, "report not delivered");
                    }
                }
                // Dropping the request loses a report and nothing else.
                _ = shutdown.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Writes the status file, and returns what the hub gets of it.
    async fn write(&self) -> Option<AgentReport> {
        let observer = Arc::clone(&self.observer);
        let written = tokio::task::spawn_blocking(move || {
            let buffer = observer.buffer();
            if let Err(error) = buffer.checkpoint() {
                tracing::debug!(%error, "books not written down");
            }
            let status = observer.now();
            (write_file(&buffer.settings().dir, &status), status.report)
        });
        match written.await {
            Ok((outcome, report)) => {
                if let Err(error) = outcome {
                    tracing::warn!(%error, "status file not written");
                }
                Some(report)
            }
            Err(error) => {
                tracing::warn!(%error, "status not taken");
                None
            }
        }
    }
}

fn write_file(dir: &Path, status: &Status) -> std::io::Result<()> {
    let text = serde_json::to_vec_pretty(status).map_err(std::io::Error::other)?;
    let (fresh, path) = (dir.join("status.json.new"), dir.join(STATUS_FILE));
    // Readers see the old file or the new one; it need not survive a power cut, so there is no fsync.
    match std::fs::write(&fresh, &text).and_then(|()| std::fs::rename(&fresh, &path)) {
        // On a full disk there is room only where the old status stands, and that is when it is asked for most.
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            let file = std::fs::File::options().write(true).create(true).truncate(false).open(path)?;
            file.write_all_at(&text, 0)?;
            file.set_len(text.len() as u64)
        }
        outcome => outcome,
    }
}

/// Reads what an agent has left in the buffer's directory.
///
/// # Errors
/// When the agent never ran with the buffer in `dir`, or the file cannot be read.
pub fn read(dir: &Path) -> Result<Status, StatusError> {
    let path = dir.join(STATUS_FILE);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StatusError::Absent(dir.to_owned()));
        }
        Err(source) => return Err(StatusError::Unreadable { path, source }),
        Ok(text) => text,
    };
    serde_json::from_str(&text).map_err(|source| StatusError::Strange { path, source })
}
