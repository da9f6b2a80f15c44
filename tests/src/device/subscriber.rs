//! A subscriber that counts what it gets: the reader that a broker in the benchmark must serve.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::packet::{self, Incoming};

const READ_BYTES: usize = 64 * 1024;

/// A running subscriber; ends when dropped.
#[derive(Debug)]
pub struct Subscriber {
    received: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Connects and subscribes with QoS 0.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn start(broker: SocketAddr, topic: &str) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(broker).await?;
        let mut bytes = Vec::new();
        packet::connect(&mut bytes, "subscriber", None);
        packet::subscribe(&mut bytes, topic);
        stream.write_all(&bytes).await?;
        let received = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(count(stream, Arc::clone(&received)));
        Ok(Self { received, task })
    }

    /// Returns how many messages came in so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn count(mut stream: TcpStream, received: Arc<AtomicU64>) {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    while let Ok(1..) = stream.read_buf(&mut bytes).await {
        let mut taken = 0;
        while let Some((what, len)) = packet::take(&bytes[taken..]) {
            taken += len;
            received.fetch_add(u64::from(what == Incoming::Published), Ordering::Relaxed);
        }
        bytes.drain(..taken);
    }
}
