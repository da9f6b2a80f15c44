//! The built-in MQTT server, so that a gateway needs no other program: 3.1.1 and 5 on one port, and on
//! another by TLS.
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
mod tls;
mod v3;
mod v5;
mod worker;

use std::cell::RefCell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ntex::io::{Filter, Io};
use ntex::server::{Server, ServiceRuntime};
use ntex::time::{Millis, Seconds};
use ntex::{ServiceFactory, SharedCfg, chain_factory, fn_service};
use ntex_mqtt::error::{HandshakeError, MqttError};
use ntex_mqtt::{MqttServer, MqttServiceConfig, QoS};

pub use counters::ListenerCounters;

use crate::committer::CommitHandle;
use crate::config::ListenerSettings;
use crate::decode::Decoder;
use crate::tls::{FileFault, Renewing};
use acks::PendingAcks;
use tls::TlsDoor;
use worker::{Closed, Worker};

const NAME: &str = "mqtt-listener";
const TLS_NAME: &str = "mqtt-tls-listener";
/// Connections that may stand beyond the limit for as long as it takes to refuse them by CONNACK.
const REFUSAL_HEADROOM: usize = 64;
/// A device that asks for no keep-alive may be silent this long before its connection counts as dead.
const IDLE_LIMIT_SECONDS: u16 = 3600;
/// How long connections have for their last acknowledgements when the listener stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the library has to close its connections. It does so in half a second, but hangs now and then when it is
/// stopped in the moment in which it starts.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Why the listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The operating system gave no thread.
    #[error("no thread for the mqtt listener: {0}")]
    Thread(#[source] std::io::Error),
    /// A certificate or key of the TLS port cannot serve.
    #[error("mqtt_listener.tls: {0}")]
    Certificates(#[from] FileFault),
    /// The server ended before it served.
    #[error("the mqtt listener ended at its start")]
    EndedAtStart,
}

/// The sockets of a listener.
#[derive(Debug, Default)]
pub struct Doors {
    /// For MQTT as it is.
    pub plain: Option<TcpListener>,
    /// For MQTT in TLS, with the certificates of the settings.
    pub tls: Option<TcpListener>,
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
    /// Serves `doors` until [`MqttListener::stop`].
    ///
    /// # Errors
    /// When the server's thread cannot be started, or its certificates cannot serve.
    pub async fn start(
        doors: Doors,
        settings: ListenerSettings,
        make_decoder: impl Fn() -> Decoder + Send + Sync + 'static,
        commits: CommitHandle,
    ) -> Result<Self, ListenerError> {
        let certificates = settings.tls.as_ref().map(|tls| Renewing::start(tls.files.clone())).transpose()?;
        let acks = Arc::new(PendingAcks::default());
        let counters = Arc::new(ListenerCounters::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let seed = worker::WorkerSeed {
            settings,
            certificates,
            make_decoder: Arc::new(make_decoder),
            commits,
            acks: Arc::clone(&acks),
            counters: Arc::clone(&counters),
            stopping: Arc::clone(&stopping),
        };
        let (started, has_started) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || serve(doors, seed, started))
            .map_err(ListenerError::Thread)?;
        let server = has_started.await.map_err(|_| ListenerError::EndedAtStart)?;
        Ok(Self { server, thread, acks, counters, stopping })
    }

    /// Returns what was taken in and turned away so far.
    #[must_use]
    pub const fn counters(&self) -> &Arc<ListenerCounters> {
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
        let (stopped, thread) = (self.server.stop(true), self.thread);
        let ended = async {
            stopped.await;
            while !thread.is_finished() {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("mqtt listener does not end, its connections end with the process");
        } else if thread.join().is_err() {
            tracing::error!("mqtt listener thread panicked");
        }
    }
}

/// The body of the listener's thread.
fn serve(doors: Doors, seed: worker::WorkerSeed, started: tokio::sync::oneshot::Sender<Server>) {
    let system = ntex::rt::System::new(NAME, ntex::rt::DefaultRuntime);
    system.block_on(async move {
        let server = match build(doors, seed).await {
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

async fn build(doors: Doors, seed: worker::WorkerSeed) -> std::io::Result<Server> {
    let settings = seed.settings.clone();
    let doors = RefCell::new(doors);
    let server = ntex::server::build()
        .name(NAME)
        .workers(1)
        .disable_signals()
        .maxconn(settings.max_connections + REFUSAL_HEADROOM)
        .shutdown_timeout(Millis(500))
        .configure(async |services| {
            let Doors { plain, tls } = doors.take();
            let has_plain = plain.is_some();
            for (name, socket) in [(NAME, plain), (TLS_NAME, tls)] {
                let Some(socket) = socket else { continue };
                let config = SharedCfg::new(name).add(protocol_config(&settings));
                services.listen(name, socket).config(name, config);
            }
            let seed = seed.clone();
            services.on_worker_start(async move |services| {
                serve_doors(&services, &seed, has_plain);
                Ok::<_, Closed>(())
            });
            Ok(())
        })
        .await?;
    Ok(server.run())
}

/// Joins each port to the one worker of the thread.
fn serve_doors(services: &ServiceRuntime, seed: &worker::WorkerSeed, has_plain: bool) {
    let worker = Worker::start(seed);
    if has_plain {
        services.service(NAME, mqtt_service(&worker));
    }
    if let Some(certificates) = seed.certificates.clone() {
        let deadline = Millis::from(seed.settings.connect_timeout);
        let counters = Arc::clone(&seed.counters);
        let door = TlsDoor::new(certificates, deadline, counters);
        let enter = fn_service(async move |io: Io| {
            door.enter(io).await.ok_or(MqttError::Handshake(HandshakeError::Disconnected(None)))
        });
        services.service(TLS_NAME, chain_factory(enter).and_then(mqtt_service(&worker)));
    }
}

fn mqtt_service<F: Filter>(
    worker: &Rc<Worker>,
) -> impl ServiceFactory<Io<F>, SharedCfg, Response = (), Error = MqttError<Closed>, InitError = ()> + use<F>
{
    MqttServer::new()
        .v3(ntex_mqtt::v3::MqttServer::new(v3::handshake(Rc::clone(worker)))
            .middleware(release::ForgottenReleases)
            .protocol(v3::protocol())
            .control(v3::control())
            .publish(v3::publish(Rc::clone(worker))))
        .v5(ntex_mqtt::v5::MqttServer::new(v5::handshake(Rc::clone(worker)))
            .protocol(v5::protocol())
            .control(v5::control())
            .publish(v5::publish(Rc::clone(worker))))
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
