//! What the agent says of itself: to the hub as a report, to the operator as `status.json` and a table.

mod rates;
mod sources;
mod table;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use penstock_shared::reading::TimestampMicros;
use penstock_shared::report::AgentReport;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::buffer::Buffer;
use crate::clock::Clock;
use crate::edge::{Withheld, WithheldCounts};
use crate::forward::{ForwardError, ForwardSettings, Hub};
use rates::Rates;
pub use sources::{SourceCounts, SourceStatus};

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

/// What the status is taken from.
pub struct Seen {
    /// The books.
    pub buffer: Buffer,
    /// This machine's clock.
    pub clock: Arc<Clock>,
    /// What is not kept.
    pub withheld: Arc<WithheldCounts>,
    /// The sources that count.
    pub sources: Vec<SourceStatus>,
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
    seen: Seen,
    settings: ForwardSettings,
    hub: Hub,
    started_at: TimestampMicros,
    rates: Rates,
}

impl Reporter {
    /// Prepares the HTTP client; sends nothing yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(seen: Seen, settings: ForwardSettings) -> Result<Self, ForwardError> {
        let hub = Hub::new(&settings)?;
        Ok(Self { seen, settings, hub, started_at: TimestampMicros::now(), rates: Rates::default() })
    }

    /// Reports until `shutdown` becomes true, then writes the status file a last time.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.settings.report_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Both branches are cancel-safe: an interval and a watch receiver hold nothing.
            let stopping = tokio::select! {
                _ = ticks.tick() => false,
                _ = shutdown.wait_for(|stop| *stop) => true,
            };
            let report = self.report();
            self.write(report.clone()).await;
            if stopping {
                return;
            }
            // A hub that cannot be reached is the forwarder's to tell; a report that is lost is followed by another.
            tokio::select! {
                outcome = self.hub.report(&report) => {
                    if let Err(error) = outcome {
                        tracing::debug!(error, "report not delivered");
                    }
                }
                // Dropping the request loses a report and nothing else.
                _ = shutdown.wait_for(|stop| *stop) => {}
            }
        }
    }

    fn report(&mut self) -> AgentReport {
        let Seen { buffer, clock, .. } = &self.seen;
        let counts = buffer.counts();
        let now = TimestampMicros::now();
        // By a clock that is not set it is not known when; at most now.
        let oldest = buffer.oldest_buffered_at().map(|oldest| clock.resolve(oldest).unwrap_or(now));
        let (received_per_second, stored_per_second) = self.rates.note(Instant::now(), &counts);
        AgentReport {
            agent: self.settings.agent.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: buffer.epoch().to_string(),
            time: now,
            started_at: self.started_at,
            counts,
            buffer_bytes: buffer.bytes_on_disk(),
            buffer_quota_bytes: buffer.settings().quota_bytes,
            oldest_buffered_at: oldest.filter(|_| counts.buffered > 0),
            received_per_second,
            stored_per_second,
            faults: buffer.faults(),
        }
    }

    async fn write(&self, report: AgentReport) {
        let status = Status {
            balanced: report.counts.is_balanced(),
            hub: self.settings.hub_url.clone(),
            report,
            clock_set: self.seen.clock.is_set(),
            withheld: self.seen.withheld.now(),
            sources: self.seen.sources.iter().map(SourceStatus::now).collect(),
        };
        let buffer = self.seen.buffer.clone();
        let dir = buffer.settings().dir.clone();
        let written = tokio::task::spawn_blocking(move || {
            if let Err(error) = buffer.checkpoint() {
                tracing::debug!(%error, "books not written down");
            }
            write_file(&dir, &status)
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "status file not written"),
            Err(error) => tracing::warn!(%error, "status file not written"),
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

/// Returns the text that `penstock-agent status` prints: a table, or the status file itself with `json`.
///
/// # Errors
/// When the agent never ran with the buffer in `dir`, or the file cannot be read.
pub fn show(dir: &Path, json: bool) -> Result<String, StatusError> {
    let path = dir.join(STATUS_FILE);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StatusError::Absent(dir.to_owned()));
        }
        Err(source) => return Err(StatusError::Unreadable { path, source }),
        Ok(text) => text,
    };
    if json {
        return Ok(text);
    }
    match serde_json::from_str(&text) {
        Ok(status) => Ok(table::render(&status, TimestampMicros::now())),
        Err(source) => Err(StatusError::Strange { path, source }),
    }
}
