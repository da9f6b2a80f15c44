//! Takes certificates that were renewed on disk without a restart: the files' marks are looked at for each handshake,
//! the files themselves are read only when a mark has changed.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use rustls::ServerConfig;

use super::files::FileFault;
use super::server::ServerTls;

/// What tells one state of a file from another: its inode, its length, and when it was changed.
type Mark = Option<(u64, u64, i64, i64)>;

/// A TLS port's configuration that follows its files.
#[derive(Debug, Clone)]
pub struct Renewing {
    tls: ServerTls,
    marks: Vec<Mark>,
    current: Arc<ServerConfig>,
}

impl Renewing {
    /// Reads the files for the first time. A certificate that has expired serves until it is renewed, so that devices
    /// tell why they do not come.
    ///
    /// # Errors
    /// When a file cannot serve.
    pub fn start(tls: ServerTls) -> Result<Self, FileFault> {
        // Before the files themselves: what changes meanwhile is read again.
        let marks = marks_of(&tls);
        let current = match tls.configure() {
            Err(fault) if fault.is_expired() => {
                tracing::error!(%fault, "devices will refuse the mqtt tls port until its certificate is renewed");
                tls.configure_undated()?
            }
            outcome => outcome?,
        };
        Ok(Self { tls, marks, current })
    }

    /// Returns the configuration as the files are now. While they cannot serve, as between the renewal of a certificate
    /// and that of its key, it is the one before.
    pub fn current(&mut self) -> Arc<ServerConfig> {
        let marks = marks_of(&self.tls);
        if marks != self.marks {
            self.marks = marks;
            match self.tls.configure() {
                Ok(renewed) => {
                    self.current = renewed;
                    tracing::info!(certificate = %self.tls.identity.certificate.display(), "renewed certificates taken");
                }
                Err(fault) => {
                    tracing::error!(%fault, "renewed certificates not taken, the ones before serve on")
                }
            }
        }
        Arc::clone(&self.current)
    }
}

fn marks_of(tls: &ServerTls) -> Vec<Mark> {
    let mark = |file: &std::path::PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.ctime(), metadata.ctime_nsec()))
    };
    tls.files().map(mark).collect()
}
