//! Ships the buffer to the hub: oldest first, one stream, trimming only what the hub has confirmed.
//!
//! This module must not know how commits lie on disk, nor of MQTT.

mod settings;

use tokio::sync::watch;

use crate::buffer::Buffer;

pub use settings::ForwardSettings;

/// The one sender of one buffer.
pub struct Forwarder {
    #[expect(dead_code, reason = "wired in the next commit")]
    buffer: Buffer,
    #[expect(dead_code, reason = "wired in the next commit")]
    settings: ForwardSettings,
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
    pub fn new(buffer: Buffer, settings: ForwardSettings) -> Result<Self, ForwardError> {
        Ok(Self { buffer, settings })
    }

    /// Sends until `shutdown` becomes true, then finishes the request in flight.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        // An error means that the sender is gone, which asks for the same.
        if shutdown.wait_for(|stop| *stop).await.is_err() {
            tracing::debug!("shutdown signal dropped");
        }
    }
}
