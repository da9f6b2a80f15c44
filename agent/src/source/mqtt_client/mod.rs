//! Brokers that already stand, to which the agent subscribes: 3.1.1 and 5.
//!
//! ```text
//! broker ─▶ connection (v3 or v5) ─▶ Link ─▶ Intake ─▶ committer
//!    ▲                                                   │ done
//!    └── PUBACK ◀── the connection's own request queue ◀─┘
//! ```
//!
//! The session stays at the broker (no clean session), acknowledgements wait for the fsync. **Each connection has a
//! library client of its own**: a late acknowledgement goes to the queue of the connection that its message came by,
//! and where that is gone it is dropped, so it can never acknowledge somebody else's packet id; and nothing that wedged
//! in a client survives it.
//!
//! With TLS the library speaks through a tunnel, one for each connection.
//!
//! What the broker kept from before is not taken as measured now; discoveries, which describe, are taken nevertheless.

mod link;
mod private_socket;
mod probe;
mod tunnel;
mod v3;
mod v5;

use std::time::{Duration, Instant};

use penstock_shared::backoff::Backoff;
use penstock_shared::id::AgentId;

use crate::config::{ClientSettings, MqttVersion};
use crate::source::{Intake, SourceTask};
use link::{ConnectionEnd, Link};
pub use probe::probe;
use tunnel::Tunnel;

const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// A connection that held this long was a good one; the next attempt comes soon. Two clients of one name, which throw
/// each other out, stay below it.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);
/// How long the client has, when it stops, for the acknowledgements that wait for their commit.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection has to end in order: what waits for its commit, then what the broker has not read yet.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(8);
/// Unacknowledged packet ids are distinct 16-bit numbers, so this queue cannot overflow with acknowledgements; the rest
/// is for what devices are asked.
const REQUEST_QUEUE: usize = u16::MAX as usize + 1024;

/// Connects to a broker, and connects again for as long as it runs. When it stops, it takes nothing more, acknowledges
/// what is committed, and disconnects; the broker keeps the rest.
#[must_use]
pub fn start(settings: ClientSettings, agent: &AgentId, intake: Intake) -> SourceTask {
    let client_id = settings.client_id.clone().unwrap_or_else(|| format!("penstock-{agent}"));
    SourceTask::start("mqtt client", |stopping| run(Link::new(settings, client_id, intake, stopping)))
}

async fn run(mut link: Link) {
    let mut backoff = Backoff::new(BACKOFF_BASE, link.settings.backoff_max);
    loop {
        let started = Instant::now();
        let end = run_connection(&mut link).await;
        let broker = link.broker.as_str();
        match end {
            ConnectionEnd::Stopped => return,
            ConnectionEnd::NotCommitted => {
                tracing::warn!(broker, "reconnecting, for messages not committed to come again")
            }
            ConnectionEnd::Lost(error) => tracing::warn!(broker, error, "mqtt connection lost"),
        }
        if started.elapsed() > GOOD_CONNECTION {
            backoff.reset();
        }
        let pause = backoff.next_delay(rand::random());
        tracing::debug!(
            broker,
            ?pause,
            failures = backoff.failures(),
            "waiting before the next attempt to connect"
        );
        if link.stops_within(pause).await {
            return;
        }
    }
}

async fn run_connection(link: &mut Link) -> ConnectionEnd {
    let Some(tls) = link.settings.tls.clone() else { return speak(link, None).await };
    // Both branches are cancel-safe: an attempt that is dropped leaves nothing behind.
    let opened = tokio::select! {
        opened = Tunnel::open(&link.settings, &tls) => opened,
        () = link.stop_requested() => return ConnectionEnd::Stopped,
    };
    let tunnel = match opened {
        Ok(tunnel) => tunnel,
        Err(error) => return ConnectionEnd::Lost(error.to_string()),
    };
    let end = speak(link, Some(&tunnel)).await;
    match (end, tunnel.close().await) {
        (ConnectionEnd::Lost(_), Some(cause)) => ConnectionEnd::Lost(cause),
        (end, _) => end,
    }
}

async fn speak(link: &mut Link, tunnel: Option<&Tunnel>) -> ConnectionEnd {
    match link.settings.version {
        MqttVersion::V311 => v3::run_connection(link, tunnel).await,
        MqttVersion::V5 => v5::run_connection(link, tunnel).await,
    }
}

#[cfg(test)]
pub(crate) mod tests;
