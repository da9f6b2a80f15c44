//! The composition root: makes every channel, thread and task of the agent, and ends them in the data's order.
//!
//! ```text
//! sources ─CommitHandle─▶ committer (edge, clock) ─▶ Buffer ─▶ forwarder ──▶ hub
//!                                                       └────▶ reporter  ──▶ hub, status.json
//! ```

pub(crate) mod listener;
mod shutdown;
pub(crate) mod sources;
mod wiring;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::buffer::{Buffer, BufferError};
use crate::clock::Clock;
use crate::committer::{self, CommitHandle};
use crate::config::Settings;
use crate::control::{Controlled, Server};
use crate::edge::{Edge, WithheldCounts};
use crate::forward::{ForwardError, Forwarder};
use crate::service::{self, Pulse, Supervisor};
use crate::source::mqtt_listener::ListenerError;
use crate::status::{Reporter, Seen};
use shutdown::Running;
pub use wiring::buffer_settings;

/// How long a blocking task that missed its deadline is waited for at the very end.
const LEFT_BEHIND: Duration = Duration::from_secs(1);
/// How often a disk that refuses is tried again at the start.
const DISK_PAUSE: Duration = Duration::from_secs(1);

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
    let buffer = open_buffer(&settings)?;
    let clock = Arc::new(Clock::open(&settings.buffer.dir, settings.clock.clone().suited_to(Path::new("/"))));
    let edge = Edge::new(&settings.series, settings.limits);
    let withheld = edge.counts();
    let (commits, committer) =
        committer::spawn(buffer.clone(), wiring::commit_limits(&settings), edge, Arc::clone(&clock))
            .map_err(RunError::System)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::System)?;
    let outcome = runtime.block_on(async {
        let kept = Kept { buffer, clock, withheld, commits, committer };
        let running = start(settings, kept).await?;
        announce("penstock-agent ready");
        running.until_stopped().await
    });
    // A thread that hangs on a broken disk must not keep the process from ending.
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome
}

/// Opens the buffer, as soon as the disk lets it: to end and be started again would change nothing. A signal ends the
/// process meanwhile, as nobody has caught it yet.
fn open_buffer(settings: &Settings) -> Result<Buffer, RunError> {
    let mut told = String::new();
    loop {
        let source = match Buffer::open(wiring::buffer_settings(settings)) {
            Ok(buffer) => return Ok(buffer),
            Err(source) => source,
        };
        if !source.may_pass() {
            return Err(RunError::Buffer { dir: settings.buffer.dir.clone(), source });
        }
        let fault = source.to_string();
        if fault != told {
            tracing::error!(fault, "disk refuses, waiting until it does not");
            announce(&format!("penstock-agent waits for its disk: {fault}"));
            told = fault;
        }
        std::thread::sleep(DISK_PAUSE);
    }
}

/// What stands before any source does.
struct Kept {
    buffer: Buffer,
    clock: Arc<Clock>,
    withheld: Arc<WithheldCounts>,
    commits: CommitHandle,
    committer: JoinHandle<()>,
}

async fn start(settings: Settings, kept: Kept) -> Result<Running, RunError> {
    let Kept { buffer, clock, withheld, commits, committer } = kept;
    let (stop_sending, sending_stops) = watch::channel(false);
    let (stop_reporting, reporting_stops) = watch::channel(false);
    let forward_settings = wiring::forward_settings(&settings);
    let supervisor = Arc::new(Supervisor::from_environment());
    let sending = Pulse::default();
    let parts = vec![("committer", commits.pulse()), ("forwarder", sending.clone())];
    let forwarder =
        Forwarder::new(buffer.clone(), Arc::clone(&clock), forward_settings.clone())?.with_pulse(sending);
    let listener = listener::start(&settings, &commits).await?.map(|started| {
        started.announcements.iter().for_each(|line| announce(line));
        started.listener
    });
    let mut sources = sources::start(&settings, &commits);
    if let Some(listener) = &listener {
        let counters = Arc::clone(listener.counters());
        sources.note("mqtt listener", "devices", move || counters.to_pairs());
    }
    let seen = Seen { buffer: buffer.clone(), clock, withheld, sources: sources.states };
    let reporter = Reporter::new(seen, forward_settings)?;
    control(&reporter, &commits, reporting_stops.clone());
    Ok(Running {
        heart: tokio::spawn(service::beat(Arc::clone(&supervisor), parts)),
        supervisor,
        buffer,
        listener,
        sources: sources.tasks,
        commits,
        committer,
        stop_sending,
        forwarder: tokio::spawn(forwarder.run(sending_stops)),
        stop_reporting,
        reporter: tokio::spawn(reporter.run(reporting_stops)),
    })
}

/// Lets the operator in. Without a socket there, as on some file systems, the agent does its work all the same.
fn control(reporter: &Reporter, commits: &CommitHandle, stops: watch::Receiver<bool>) {
    let controlled = Controlled { observer: reporter.observer(), tap: Arc::clone(commits.tap()) };
    match Server::open(controlled) {
        // It ends with the reporter; what it is asked at that moment is not worth a wait.
        Ok(server) => drop(tokio::spawn(server.run(stops))),
        Err(error) => tracing::warn!(%error, "no control socket, commands see the status file only"),
    }
}

/// Prints a line that programs wait for. A closed stdout is no reason to stop.
fn announce(line: &str) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        tracing::debug!(line, "stdout is closed");
    }
}
