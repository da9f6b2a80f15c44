//! What the agent says of itself: to the hub as a report, to the operator as `status.json` and a table.

use std::path::Path;

use tokio::sync::watch;

use crate::buffer::Buffer;
use crate::forward::ForwardSettings;

/// The status file's name in the buffer directory.
pub const STATUS_FILE: &str = "status.json";

/// Writes the status file and reports to the hub, every few seconds.
pub struct Reporter {
    #[expect(dead_code, reason = "wired in the next commit")]
    buffer: Buffer,
    #[expect(dead_code, reason = "wired in the next commit")]
    settings: ForwardSettings,
}

/// Why the status cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// There is no status file: the agent never ran with this buffer.
    #[error("no status in {0}: the agent never ran with this buffer")]
    Absent(std::path::PathBuf),
}

impl Reporter {
    /// Prepares the HTTP client; sends nothing yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(buffer: Buffer, settings: ForwardSettings) -> Result<Self, crate::forward::ForwardError> {
        Ok(Self { buffer, settings })
    }

    /// Reports until `shutdown` becomes true, then writes the status file a last time.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        // An error means that the sender is gone, which asks for the same.
        if shutdown.wait_for(|stop| *stop).await.is_err() {
            tracing::debug!("shutdown signal dropped");
        }
    }
}

/// Returns the text that `penstock-agent status` prints: a table, or the status file itself with `json`.
///
/// # Errors
/// When the agent never ran with the buffer in `dir`, or the file cannot be read.
pub fn show(dir: &Path, _json: bool) -> Result<String, StatusError> {
    Err(StatusError::Absent(dir.to_owned()))
}
