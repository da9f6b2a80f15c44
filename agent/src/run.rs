//! The composition root: makes every channel, thread and task of the agent, changes them when the configuration does,
//! and ends them in the data's order.
//!
//! ```text
//! inflow: sources ─CommitHandle─▶ committer (edge, clock) ─▶ Buffer ─▶ outflow: forwarder ──▶ hub
//!   ▲ swapped one by one                                        └────▶ reporter  ──▶ hub, status.json
//!   └─ reload, by SIGHUP
//! ```

mod change;
mod freezing;
mod inflow;
pub(crate) mod listener;
mod outflow;
mod reload;
mod running;
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
use crate::config::{ConfigFaults, Settings};
use crate::control::{Controlled, Server};
use crate::edge::{Edge, WithheldCounts};
use crate::forward::ForwardError;
use crate::service::{self, Pulse, Supervisor};
use crate::source::mqtt_listener::ListenerError;
use crate::status::{Observer, Seen, SourceBoard};
use freezing::FreezingThread;
use inflow::Inflow;
use outflow::{Kept, Outflow};
use running::{Running, Signals};
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

/// Reads the configuration anew.
pub type Load = Box<dyn Fn() -> Result<Settings, ConfigFaults>>;

/// Runs the agent until SIGTERM or SIGINT, then stops it without losing anything. On SIGHUP it takes what `load` says
/// from then on, if that can stand.
///
/// # Errors
/// When a part cannot start, or ends by itself.
pub fn run(settings: Settings, load: Load) -> Result<(), RunError> {
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
    let freezing =
        FreezingThread::start(buffer.clone(), settings.buffer.freeze_after).map_err(RunError::System)?;
    let outcome = runtime.block_on(async {
        let signals = Signals::hear()?;
        let ground = Ground { buffer, clock, withheld, commits, committer };
        let running = start(settings, load, ground).await?;
        announce("penstock-agent ready");
        running.until_stopped(signals).await
    });
    drop(freezing);
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

/// What stands before any source does, and outlives each of them.
struct Ground {
    buffer: Buffer,
    clock: Arc<Clock>,
    withheld: Arc<WithheldCounts>,
    commits: CommitHandle,
    committer: JoinHandle<()>,
}

async fn start(settings: Settings, load: Load, ground: Ground) -> Result<Running, RunError> {
    let Ground { buffer, clock, withheld, commits, committer } = ground;
    let board = Arc::<SourceBoard>::default();
    let seen =
        Seen { buffer: buffer.clone(), clock: Arc::clone(&clock), withheld, sources: Arc::clone(&board) };
    let observer = Arc::new(Observer::new(seen, settings.agent.id.clone(), settings.hub.url.clone()));
    let inflow = Inflow::start(&settings, commits.clone(), board).await?;
    let pulse = Pulse::default();
    let parts = vec![("committer", commits.pulse()), ("forwarder", pulse.clone())];
    let outflow = Outflow::start(&settings, Kept { buffer, clock, observer: Arc::clone(&observer), pulse })?;
    let (stop_control, control_stops) = watch::channel(false);
    control(Arc::clone(&observer), &commits, control_stops);
    let supervisor = Arc::new(Supervisor::from_environment());
    Ok(Running {
        settings,
        load,
        heart: tokio::spawn(service::beat(Arc::clone(&supervisor), parts)),
        supervisor,
        inflow,
        commits,
        committer,
        outflow,
        observer,
        stop_control,
    })
}

/// Lets the operator in. Without a socket there, as on some file systems, the agent does its work all the same.
fn control(observer: Arc<Observer>, commits: &CommitHandle, stops: watch::Receiver<bool>) {
    let controlled = Controlled { observer, tap: Arc::clone(commits.tap()) };
    match Server::open(controlled) {
        // It ends with the agent; what it is asked at that moment is not worth a wait.
        Ok(server) => drop(tokio::spawn(server.run(stops))),
        Err(error) => tracing::warn!(%error, "no control socket, commands see the status file only"),
    }
}

/// Waits for a part to end, and says so when it does not; false then.
async fn within<T>(deadline: Duration, part: &str, task: &mut tokio::task::JoinHandle<T>) -> bool {
    match tokio::time::timeout(deadline, task).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            tracing::error!(part, %error, "a part panicked");
            true
        }
        Err(_) => {
            tracing::warn!(part, ?deadline, "a part did not end in time");
            false
        }
    }
}

/// Prints a line that programs wait for. A closed stdout is no reason to stop.
fn announce(line: &str) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        tracing::debug!(line, "stdout is closed");
    }
}
