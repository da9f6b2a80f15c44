//! One mongod process: how it is started, recognised, waited for and ended.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tracing::warn;

use crate::config::ManagedSettings;

use super::MongodError;
use super::data_dir::DataDir;
use super::replica_set;

/// How long a mongod may take to end politely.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// How often a process that is no child of ours is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How a mongod is started.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) port: u16,
    arguments: Vec<String>,
}

/// A mongod that runs, or ran.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    /// None for a process that an earlier hub started.
    child: Option<Child>,
    db: String,
}

impl Launch {
    pub(super) fn new(program: &Path, data_dir: &DataDir, settings: &ManagedSettings, port: u16) -> Self {
        let cache_gib = format!("{:.3}", f64::from(settings.cache_mb) / 1024.0);
        let options = [
            ("--replSet", replica_set::NAME.to_owned()),
            ("--bind_ip", "127.0.0.1".to_owned()),
            ("--port", port.to_string()),
            ("--dbpath", data_dir.db().display().to_string()),
            ("--logpath", data_dir.log().display().to_string()),
            ("--logRotate", "reopen".to_owned()),
            ("--wiredTigerCacheSizeGB", cache_gib),
            ("--oplogSize", settings.oplog_mb.to_string()),
            ("--setParameter", "diagnosticDataCollectionEnabled=false".to_owned()),
            // A replica set of one has nobody to hand its clients to while it ends.
            ("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0".to_owned()),
            // Nothing reads at a past time; five minutes of history would fill the cache under load.
            ("--setParameter", "minSnapshotHistoryWindowInSeconds=10".to_owned()),
        ];
        let flags = ["--logappend", "--nounixsocket", "--quiet"].map(str::to_owned);
        let options = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        Self { program: program.to_owned(), port, arguments: options.chain(flags).collect() }
    }
}

impl Process {
    /// Starts a mongod in a process group of its own: a Ctrl-C at the terminal must reach the hub alone.
    pub(super) fn spawn(launch: &Launch) -> Result<Self, MongodError> {
        let fault = |source| MongodError::Run { program: launch.program.clone(), source };
        let child = Command::new(&launch.program)
            .args(&launch.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(fault)?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| fault(std::io::ErrorKind::NotFound.into()))?;
        let db = value_of(&launch.arguments, "--dbpath").unwrap_or_default();
        Ok(Self { pid, child: Some(child), db })
    }

    /// Finds the mongod that an earlier hub left running on this directory, and its port.
    pub(super) fn left_over(data_dir: &DataDir) -> Option<(Self, u16)> {
        let lock = std::fs::read_to_string(data_dir.db().join("mongod.lock")).ok()?;
        let pid = Pid::from_raw(lock.trim().parse().ok()?)?;
        let process = Self { pid, child: None, db: data_dir.db().display().to_string() };
        let port = value_of(&process.arguments()?, "--port")?.parse().ok()?;
        Some((process, port))
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Tells whether the process was started just as `launch` would start it.
    pub(super) fn runs_as(&self, launch: &Launch) -> bool {
        self.arguments().is_some_and(|arguments| arguments == launch.arguments)
    }

    /// Returns when the process has ended, with a word on how. Cancel-safe.
    pub(super) async fn ended(&mut self) -> String {
        if let Some(child) = &mut self.child {
            return match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => format!("unknown status: {error}"),
            };
        }
        while self.arguments().is_some() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        "unknown status".to_owned()
    }

    /// Asks the process to end, waits, and kills it where that does not help.
    pub(super) async fn stop(&mut self) -> Result<(), MongodError> {
        self.signal(Signal::TERM)?;
        if tokio::time::timeout(STOP_PATIENCE, self.ended()).await.is_err() {
            warn!(pid = self.pid(), "mongod does not end by itself, killing it");
            self.signal(Signal::KILL)?;
            self.ended().await;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<(), MongodError> {
        if self.arguments().is_none() {
            return Ok(());
        }
        match kill_process(self.pid, signal) {
            Err(error) if error != rustix::io::Errno::SRCH => {
                Err(MongodError::Run { program: PathBuf::from("mongod"), source: error.into() })
            }
            _ => Ok(()),
        }
    }

    /// Returns the process's arguments while it lives and works on our directory; a zombie has none, and a process
    /// that was given the same id later has others.
    fn arguments(&self) -> Option<Vec<String>> {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid())).ok()?;
        let words = String::from_utf8(line).ok()?;
        let arguments: Vec<String> =
            words.trim_end_matches('\0').split('\0').skip(1).map(str::to_owned).collect();
        (value_of(&arguments, "--dbpath")? == self.db).then_some(arguments)
    }
}

fn value_of(arguments: &[String], name: &str) -> Option<String> {
    arguments.iter().skip_while(|argument| *argument != name).nth(1).cloned()
}
