//! The built-in MQTT server, so that a gateway needs no other program: 3.1.1 and 5 on one port.
//!
//! ```text
//! connection ─▶ admission ─▶ publish handler ─▶ Intake ─▶ committer (another thread)
//!      ▲                            │ waits                     │ done
//!      └──── PUBACK ◀───────────────┴───── PendingAcks ◀────────┘ one wake-up for a whole commit
//! ```
//!
//! It takes in; it is no broker: a SUBSCRIBE is refused. QoS 2 is exactly-once within a connection; what a device
//! sends again after a reconnect is taken again, as with QoS 1.
//!
//! The protocol library runs on a runtime of its own whose futures stay on one thread, hence the thread here.

mod acks;
mod admission;
mod counters;
mod rate;
mod release;
mod v3;
mod v5;
mod worker;

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ntex::SharedCfg;
use ntex::server::Server;
use ntex::time::{Millis, Seconds};
use ntex_mqtt::{MqttServer, MqttServiceConfig, QoS};

pub use counters::ListenerCounters;

use crate::committer::CommitHandle;
use crate::config::ListenerSettings;
use crate::decode::Decoder;
use acks::PendingAcks;
use worker::Worker;

const NAME: &str = "mqtt-listener";
/// Connections that may stand beyond the limit for as long as it takes to refuse them by CONNACK.
const REFUSAL_HEADROOM: usize = 64;
/// A device that asks for no keep-alive may be silent this long before its connection counts as dead.
const IDLE_LIMIT_SECONDS: u16 = 3600;
/// How long connections have for their last acknowledgements when the listener stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Why the listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The operating system gave no thread.
    #[error("no thread for the mqtt listener: {0}")]
    Thread(#[source] std::io::Error),
    /// The server ended before it served.
    #[error("the mqtt listener ended at its start")]
    EndedAtStart,
}

/// A listener that runs.
#[derive(Debug)]
pub struct MqttListener {
    server: Server,
    thread: JoinHandle<()>,
    acks: Arc<PendingAcks>,
    counters: Arc<ListenerCounters>,
    stopping: Arc<AtomicBool>,
}

impl MqttListener {
    /// Serves `socket` until [`MqttListener::stop`].
    ///
    /// # Errors
    /// When the server's thread cannot be started.
    pub async fn start(
        socket: TcpListener,
        settings: ListenerSettings,
        make_decoder: impl Fn() -> Decoder + Send + Sync + 'static,
        commits: CommitHandle,
    ) -> Result<Self, ListenerError> {
        let acks = Arc::new(PendingAcks::default());
        let counters = Arc::new(ListenerCounters::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let seed = worker::WorkerSeed {
            settings,
            make_decoder: Arc::new(make_decoder),
            commits,
            acks: Arc::clone(&acks),
            counters: Arc::clone(&counters),
            stopping: Arc::clone(&stopping),
        };
        let (started, has_started) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || serve(socket, seed, started))
            .map_err(ListenerError::Thread)?;
        let server = has_started.await.map_err(|_| ListenerError::EndedAtStart)?;
        Ok(Self { server, thread, acks, counters, stopping })
    }

    /// Returns what was turned away so far.
    #[must_use]
    pub fn counters(&self) -> &ListenerCounters {
        &self.counters
    }

    /// Tells whether the server's thread has ended, which it does not by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Takes nothing more, lets the acknowledgements that wait for their commit go out, then closes every
    /// connection.
    pub async fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        let drained = async {
            while self.acks.waiting() > 0 {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!(
                waiting = self.acks.waiting(),
                "mqtt listener stops with messages not acknowledged"
            );
        }
        self.server.stop(true).await;
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("mqtt listener thread panicked");
        }
    }
}

/// The body of the listener's thread.
fn serve(socket: TcpListener, seed: worker::WorkerSeed, started: tokio::sync::oneshot::Sender<Server>) {
    let system = ntex::rt::System::new(NAME, ntex::rt::DefaultRuntime);
    system.block_on(async move {
        let server = match build(socket, seed) {
            Ok(server) => server,
            Err(error) => {
                tracing::error!(%error, "mqtt listener cannot be built");
                return;
            }
        };
        if started.send(server.clone()).is_err() {
            return;
        }
        if let Err(error) = server.await {
            tracing::error!(%error, "mqtt listener ended");
        }
    });
}

fn build(socket: TcpListener, seed: worker::WorkerSeed) -> std::io::Result<Server> {
    let settings = seed.settings.clone();
    let server = ntex::server::build()
        .name(NAME)
        .workers(1)
        .disable_signals()
        .maxconn(settings.max_connections + REFUSAL_HEADROOM)
        .shutdown_timeout(Millis(500))
        .listen(NAME, socket, async move |_| {
            let worker = Worker::start(&seed);
            MqttServer::new()
                .v3(ntex_mqtt::v3::MqttServer::new(v3::handshake(Rc::clone(&worker)))
                    .middleware(release::ForgottenReleases)
                    .protocol(v3::protocol())
                    .control(v3::control())
                    .publish(v3::publish(Rc::clone(&worker))))
                .v5(ntex_mqtt::v5::MqttServer::new(v5::handshake(Rc::clone(&worker)))
                    .protocol(v5::protocol())
                    .control(v5::control())
                    .publish(v5::publish(worker)))
        })?
        .config(NAME, SharedCfg::new(NAME).add(protocol_config(&settings)));
    Ok(server.run())
}

fn protocol_config(settings: &ListenerSettings) -> MqttServiceConfig {
    let connect_timeout = Seconds(u16::try_from(settings.connect_timeout.as_secs()).unwrap_or(u16::MAX));
    MqttServiceConfig::new()
        .protocol_version_timeout(connect_timeout)
        .set_connect_timeout(connect_timeout)
        .set_handshake_timeout(connect_timeout)
        .set_max_qos(QoS::ExactlyOnce)
        .set_max_size(settings.max_packet_bytes)
        // Payloads come in one piece: the packet limit bounds what a connection may hold.
        .set_min_chunk_size(settings.max_packet_bytes)
        .set_max_payload_buffer_size(settings.max_packet_bytes as usize)
        .set_max_receive(settings.max_inflight)
        .set_max_receive_size(settings.max_packet_bytes as usize)
        // What a device sent before it hung up is taken.
        .set_handle_qos_after_disconnect(Some(QoS::ExactlyOnce))
}

#[cfg(test)]
mod tests;
