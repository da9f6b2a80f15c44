//! The composition root: makes every channel, thread and task of the agent, and ends them in the data's order.
//!
//! ```text
//! sources ─CommitHandle─▶ committer ─▶ Buffer ─▶ forwarder ──▶ hub
//!                                        └────▶ reporter  ──▶ hub, status.json
//! ```

mod shutdown;
mod wiring;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::buffer::{Buffer, BufferError};
use crate::committer::{self, CommitHandle};
use crate::config::Settings;
use crate::forward::{ForwardError, Forwarder};
use crate::source::mqtt_listener::{Doors, ListenerError, MqttListener};
use crate::source::{device, modbus, mqtt_client, serial};
use crate::status::Reporter;
use shutdown::Running;

/// How long a blocking task that missed its deadline is waited for at the very end.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// Why the agent cannot run, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The buffer cannot be opened.
    #[error("buffer in {dir}: {source}")]
    Buffer {
        /// The buffer's directory.
        dir: std::path::PathBuf,
        /// What the disk said.
        source: BufferError,
    },
    /// A thread, runtime or signal handler was not to be had.
    #[error("operating system: {0}")]
    System(#[source] std::io::Error),
    /// The listener's port cannot be taken.
    #[error("{key} {address}: {source}")]
    Bind {
        /// The configuration's key.
        key: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The listener did not start.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// The way to the hub cannot be set up.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// A part that should run for ever has ended.
    #[error("{0} ended by itself")]
    Ended(&'static str),
}

/// Runs the agent until SIGTERM or SIGINT, then stops it without losing anything.
///
/// # Errors
/// When a part cannot start, or ends by itself.
pub fn run(settings: Settings) -> Result<(), RunError> {
    // The buffer blocks on the disk while it opens and heals, so it comes before any runtime.
    let buffer = Buffer::open(wiring::buffer_settings(&settings))
        .map_err(|source| RunError::Buffer { dir: settings.buffer.dir.clone(), source })?;
    let (commits, committer) =
        committer::spawn(buffer.clone(), wiring::commit_limits(&settings)).map_err(RunError::System)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::System)?;
    let outcome = runtime.block_on(async {
        let running = start(settings, buffer, commits, committer).await?;
        announce("penstock-agent ready");
        running.until_stopped().await
    });
    // A thread that hangs on a broken disk must not keep the process from ending.
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome
}

async fn start(
    settings: Settings,
    buffer: Buffer,
    commits: CommitHandle,
    committer: JoinHandle<()>,
) -> Result<Running, RunError> {
    let (stop_sending, sending_stops) = watch::channel(false);
    let (stop_reporting, reporting_stops) = watch::channel(false);
    let forward_settings = wiring::forward_settings(&settings);
    let forwarder = Forwarder::new(buffer.clone(), forward_settings.clone())?;
    let reporter = Reporter::new(buffer.clone(), forward_settings)?;
    let listener = start_listener(&settings, &commits).await?;
    let clients = settings.mqtt_clients.iter().map(|client| {
        let intake = wiring::client_intake(&settings, client, &commits);
        mqtt_client::start(client.clone(), &settings.agent.id, intake)
    });
    let serials = settings.serials.iter().map(|serial| {
        let (source, _) = serial::start(serial.clone(), wiring::serial_outlet(&settings, serial, &commits));
        source
    });
    let buses = settings.modbus.iter().map(|bus| {
        let outlet = wiring::outlet(&settings, &bus.name, format!("modbus {}", bus.name), &commits);
        let (source, _) = modbus::start(bus.clone(), outlet);
        source
    });
    let device = settings.device.enabled.then(|| {
        let outlet = wiring::outlet(&settings, &settings.device.source, "device".to_owned(), &commits);
        device::start(settings.device.clone(), outlet)
    });
    let sources = clients.chain(serials).chain(buses).chain(device).collect();
    Ok(Running {
        buffer,
        listener,
        sources,
        commits,
        committer,
        stop_sending,
        forwarder: tokio::spawn(forwarder.run(sending_stops)),
        stop_reporting,
        reporter: tokio::spawn(reporter.run(reporting_stops)),
    })
}

async fn start_listener(
    settings: &Settings,
    commits: &CommitHandle,
) -> Result<Option<MqttListener>, RunError> {
    let chosen = &settings.mqtt_listener;
    if !chosen.enabled {
        return Ok(None);
    }
    let mut doors = Doors::default();
    let mut announcements = Vec::new();
    if let Some(address) = chosen.listen {
        let (socket, bound) = bind("mqtt_listener.listen", address)?;
        if !bound.ip().is_loopback() && chosen.credentials.is_none() {
            tracing::warn!(%bound, "mqtt listener has no password and takes messages from the whole network");
        }
        announcements.push(format!("penstock-agent mqtt listener on {bound}"));
        doors.plain = Some(socket);
    }
    if let Some(tls) = &chosen.tls {
        let (socket, bound) = bind("mqtt_listener.tls.listen", tls.listen)?;
        let knows_devices = tls.files.clients.as_ref().is_some_and(|clients| clients.is_required);
        if !bound.ip().is_loopback() && chosen.credentials.is_none() && !knows_devices {
            tracing::warn!(%bound, "mqtt tls listener demands neither password nor certificate");
        }
        announcements.push(format!("penstock-agent mqtt tls listener on {bound}"));
        doors.tls = Some(socket);
    }
    let make_decoder = wiring::decoder_maker(settings);
    let listener = MqttListener::start(doors, chosen.clone(), make_decoder, commits.clone()).await?;
    announcements.iter().for_each(|line| announce(line));
    Ok(Some(listener))
}

fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), RunError> {
    let bind_error = |source| RunError::Bind { key, address, source };
    let socket = TcpListener::bind(address).map_err(bind_error)?;
    let bound = socket.local_addr().map_err(bind_error)?;
    Ok((socket, bound))
}

/// Prints a line that programs wait for. A closed stdout is no reason to stop.
fn announce(line: &str) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        tracing::debug!(line, "stdout is closed");
    }
}
