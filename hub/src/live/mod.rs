//! Pushes what changed to whoever watches, through one change stream for the whole process.
//!
//! ```text
//! change stream ─▶ watch ─▶ dirty buckets (of subscribed channels only) ─▶ push: read back in one query,
//!                                                                          serialise once a channel ─▶ outboxes ─▶ sockets
//! ```
//!
//! A slow client's outbox holds the newest state of each bucket, never an unbounded queue. This stage never writes
//! to the database.

mod dirty;
mod fan_out;
mod outbox;
mod push;
mod shape;
mod snapshot;
mod socket;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocket;
use tokio::sync::watch::Receiver;

use crate::ingest::Pending;
use crate::store::Store;
use crate::telemetry::Telemetry;

use dirty::Dirty;
use fan_out::FanOut;

pub use shape::{event_json, rfc3339_micros, rfc3339_millis};

/// How live push works.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// Changes within this time go out together.
    pub coalesce: Duration,
    /// Channels that one client may subscribe to.
    pub max_channels: usize,
    /// The longest message that a client may send, in bytes.
    pub max_client_message_bytes: usize,
    /// A client that does not answer pings for so long is disconnected.
    pub idle_limit: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            coalesce: Duration::from_millis(50),
            max_channels: 256,
            max_client_message_bytes: 16 * 1024,
            idle_limit: Duration::from_secs(60),
        }
    }
}

/// Renders the agents of the fleet as `GET /agents` does: all, or one by id. Given by whoever owns that shape.
pub type RenderAgents = Arc<
    dyn Fn(Option<String>) -> futures_util::future::BoxFuture<'static, Result<Vec<serde_json::Value>, String>>
        + Send
        + Sync,
>;

/// The live stage.
#[derive(Clone)]
pub struct Live {
    store: Store,
    fan_out: Arc<FanOut>,
    dirty: Arc<Dirty>,
    telemetry: Arc<Telemetry>,
    options: LiveOptions,
    render_agents: RenderAgents,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Live {
    /// Starts watching the database and pushing, until told to stop.
    #[must_use]
    pub fn start(
        store: Store,
        pending: Arc<Pending>,
        telemetry: Arc<Telemetry>,
        options: LiveOptions,
        render_agents: RenderAgents,
        shutdown: Receiver<bool>,
    ) -> Self {
        let live =
            Self { store, fan_out: Arc::default(), dirty: Arc::default(), telemetry, options, render_agents };
        tokio::spawn(watch::run(live.clone(), pending, shutdown.clone()));
        tokio::spawn(push::run(live.clone(), shutdown));
        live
    }

    /// Serves one client until it leaves or the hub stops.
    pub async fn serve(&self, socket: WebSocket, shutdown: Receiver<bool>) {
        self.telemetry.websocket_clients.add(1);
        socket::serve(self, socket, shutdown).await;
        self.telemetry.websocket_clients.add(-1);
    }
}
