//! The embedded default: a private mongod that the hub starts, initiates as a replica set of one, supervises, and
//! stops last.
//!
//! ```text
//! start ─▶ data_dir (lock) ─▶ left over from a killed hub? ─ yes ─▶ adopt ─┐
//!                                    └─ no ─▶ binary ─▶ spawn ─────────────┴▶ replica_set ─▶ supervise ─▶ stop
//! ```
//!
//! A hub that is killed leaves its mongod running; the next hub adopts it when it was started the same way, and
//! stops it otherwise. This module must not know what is stored.

mod binary;
mod data_dir;
mod process;
mod replica_set;
mod supervise;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::config::ManagedSettings;

use data_dir::{DataDir, DataDirLock};
use process::{Launch, Process};

/// How long a mongod may take from its start until it is primary; recovery after a crash is part of it.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// How often a start is tried when a port that was free is taken the next moment.
const START_ATTEMPTS: usize = 3;

/// A mongod under supervision. Dropping it leaves it running; [`ManagedMongod::stop`] ends it.
#[derive(Debug)]
pub struct ManagedMongod {
    uri: String,
    stop: oneshot::Sender<()>,
    supervisor: JoinHandle<()>,
}

/// Where a command finds the database: at a running hub's mongod, or at one that it started for itself.
#[derive(Debug)]
pub struct Visit {
    uri: String,
    own: Option<ManagedMongod>,
}

/// Says why there is no mongod.
#[derive(Debug, thiserror::Error)]
pub enum MongodError {
    /// No program was found.
    #[error(
        "no mongod found: set mongodb.managed.binary or PENSTOCK_MONGOD, put it in PATH, run deploy/get-mongod, or set mongodb.uri"
    )]
    NoBinary,
    /// The configured program does not exist.
    #[error("the mongod at {0} does not exist")]
    BinaryMissing(PathBuf),
    /// Another hub keeps the same data directory.
    #[error("another hub is using {0}")]
    InUse(PathBuf),
    /// The data directory cannot be read or written.
    #[error("cannot use {path}: {source}")]
    DataDir {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The configured port is taken by another program.
    #[error("port {0} of mongodb.managed.port is taken by another program")]
    PortTaken(u16),
    /// The program could not be started, signalled or waited for.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The program ended before it was ready.
    #[error("mongod ended with {status} while it started; the end of its log:\n{log}")]
    Ended {
        /// Its exit status.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// The program runs but does not become primary.
    #[error("mongod is not primary after {0:?}")]
    NotReady(Duration),
    /// The program runs but refuses a command.
    #[error("mongod refuses: {0}")]
    Command(#[from] mongodb::error::Error),
}

impl ManagedMongod {
    /// Starts or adopts the mongod of a data directory and returns when it is primary.
    ///
    /// # Errors
    /// When there is no program, the directory is in use or unusable, or the program does not become ready.
    pub async fn start(settings: &ManagedSettings) -> Result<Self, MongodError> {
        let data_dir = DataDir::open(&settings.data_dir)?;
        let lock = data_dir.lock().await?;
        Self::start_locked(settings, data_dir, lock).await
    }

    async fn start_locked(
        settings: &ManagedSettings,
        data_dir: DataDir,
        lock: DataDirLock,
    ) -> Result<Self, MongodError> {
        let program = binary::find(settings.binary.as_deref())?;
        let (process, launch) = match adopt(settings, &data_dir, &program).await? {
            Some(adopted) => adopted,
            None => spawn(settings, &data_dir, &program).await?,
        };
        data_dir.remember_port(launch.port)?;
        let uri = uri(launch.port);
        info!(port = launch.port, pid = process.pid(), "mongod is primary");
        let (stop, stopped) = oneshot::channel();
        let supervisor = tokio::spawn(supervise::supervise(process, launch, data_dir, lock, stopped));
        Ok(Self { uri, stop, supervisor })
    }

    /// Returns the URI of the replica set.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Ends the supervision and the mongod: politely, then by force.
    pub async fn stop(self) {
        if self.stop.send(()).is_err() {
            warn!("the supervisor of mongod ended before its time");
        }
        if let Err(error) = self.supervisor.await {
            warn!(%error, "the supervisor of mongod failed");
        }
    }
}

impl Visit {
    /// Finds the mongod of a running hub, or starts one for the time of the visit.
    ///
    /// # Errors
    /// As [`ManagedMongod::start`].
    pub async fn begin(settings: &ManagedSettings) -> Result<Self, MongodError> {
        let data_dir = DataDir::open(&settings.data_dir)?;
        if let Some(lock) = data_dir.try_lock()? {
            let own = ManagedMongod::start_locked(settings, data_dir, lock).await?;
            return Ok(Self { uri: own.uri().to_owned(), own: Some(own) });
        }
        let port = data_dir.remembered_port().ok_or_else(|| MongodError::InUse(settings.data_dir.clone()))?;
        Ok(Self { uri: uri(port), own: None })
    }

    /// Returns the URI of the replica set.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Ends the visit, and the mongod when it was started for it.
    pub async fn end(self) {
        if let Some(own) = self.own {
            own.stop().await;
        }
    }
}

fn uri(port: u16) -> String {
    format!("mongodb://127.0.0.1:{port}/?replicaSet={}", replica_set::NAME)
}

/// Takes over a mongod that a killed hub left, when it runs as it would be started now; else stops it.
async fn adopt(
    settings: &ManagedSettings,
    data_dir: &DataDir,
    program: &Path,
) -> Result<Option<(Process, Launch)>, MongodError> {
    let Some((mut process, port)) = Process::left_over(data_dir) else { return Ok(None) };
    let launch = Launch::new(program, data_dir, settings, port);
    let port_fits = settings.port == 0 || settings.port == port;
    if port_fits && process.runs_as(&launch) {
        match replica_set::make_primary(port, &mut process, data_dir, READY_TIMEOUT).await {
            Ok(()) => {
                info!(port, pid = process.pid(), "took over the mongod of an earlier hub");
                return Ok(Some((process, launch)));
            }
            Err(error) => warn!(%error, "the mongod of an earlier hub does not answer"),
        }
    }
    info!(port, pid = process.pid(), "stopping the mongod of an earlier hub");
    process.stop().await?;
    Ok(None)
}

async fn spawn(
    settings: &ManagedSettings,
    data_dir: &DataDir,
    program: &Path,
) -> Result<(Process, Launch), MongodError> {
    data_dir.rotate_log()?;
    let mut attempt = 1;
    loop {
        let port = data_dir.choose_port(settings.port)?;
        let launch = Launch::new(program, data_dir, settings, port);
        let mut process = Process::spawn(&launch)?;
        match replica_set::make_primary(port, &mut process, data_dir, READY_TIMEOUT).await {
            Ok(()) => return Ok((process, launch)),
            Err(error) => {
                process.stop().await?;
                let port_was_snatched = settings.port == 0 && !data_dir::is_port_free(port);
                if !port_was_snatched || attempt >= START_ATTEMPTS {
                    return Err(error);
                }
                attempt += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
