//! A Mosquitto broker: what a gateway has whose other programs need one, and the yardstick.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpStream;

use super::{Process, free_port};
use crate::eventually::eventually;

/// A running Mosquitto.
#[derive(Debug)]
pub struct Broker {
    /// For kills.
    pub process: Process,
    port: u16,
}

impl Broker {
    /// Starts a broker that keeps nothing and lets everybody in on loopback.
    pub async fn start(directory: &Path) -> Self {
        let port = free_port();
        let config = directory.join("mosquitto.conf");
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n\
             max_inflight_messages 0\n"
        );
        fs::write(&config, settings).expect("the world's directory is writable");
        let config_text = config.to_str().expect("temporary paths are text");
        let mut process = Process::new("mosquitto", binary(), &["-c", config_text], directory);
        process.start();
        let broker = Self { process, port };
        eventually("mosquitto listens", async || {
            TcpStream::connect(broker.address()).await.map(drop).map_err(|fault| fault.to_string())
        })
        .await;
        broker
    }

    /// Returns its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

fn binary() -> PathBuf {
    // Debian puts daemons where a user's PATH does not lead.
    let debian = PathBuf::from("/usr/sbin/mosquitto");
    if debian.exists() { debian } else { PathBuf::from("mosquitto") }
}
