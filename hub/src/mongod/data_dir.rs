//! The directory of the managed mongod: its lock, the port that it keeps, its log.
//!
//! ```text
//! data_dir/hub.lock     held while a hub uses the directory
//! data_dir/port         the port of the last start
//! data_dir/mongod.log   and mongod.log.1 of the start before
//! data_dir/db/          MongoDB's own
//! ```

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::MongodError;

/// How long to wait for a hub that is just ending, or for a command that started a mongod for itself.
const LOCK_PATIENCE: Duration = Duration::from_secs(15);
/// How much of the log an error shows.
const LOG_TAIL_BYTES: u64 = 2_000;

/// A directory that exists.
#[derive(Debug, Clone)]
pub(super) struct DataDir {
    root: PathBuf,
}

/// Held while a hub uses a directory; the kernel gives it back when the hub dies.
#[derive(Debug)]
pub(super) struct DataDirLock {
    _file: File,
}

impl DataDir {
    pub(super) fn open(path: &Path) -> Result<Self, MongodError> {
        let fault = |source| MongodError::DataDir { path: path.to_owned(), source };
        std::fs::create_dir_all(path.join("db")).map_err(fault)?;
        Ok(Self { root: path.canonicalize().map_err(fault)? })
    }

    pub(super) fn db(&self) -> PathBuf {
        self.root.join("db")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("mongod.log")
    }

    pub(super) fn try_lock(&self) -> Result<Option<DataDirLock>, MongodError> {
        let path = self.root.join("hub.lock");
        let fault = |source| MongodError::DataDir { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(fault)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(DataDirLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(fault(source)),
        }
    }

    pub(super) async fn lock(&self) -> Result<DataDirLock, MongodError> {
        let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
        loop {
            if let Some(lock) = self.try_lock()? {
                return Ok(lock);
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(MongodError::InUse(self.root.clone()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns the configured port, else the one of the last start if it is free, else any free one.
    pub(super) fn choose_port(&self, configured: u16) -> Result<u16, MongodError> {
        if configured != 0 {
            return if is_port_free(configured) {
                Ok(configured)
            } else {
                Err(MongodError::PortTaken(configured))
            };
        }
        match self.remembered_port().filter(|port| is_port_free(*port)) {
            Some(port) => Ok(port),
            None => {
                let free =
                    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
                free.map(|address| address.port()).map_err(|source| self.fault("port", source))
            }
        }
    }

    pub(super) fn remembered_port(&self) -> Option<u16> {
        std::fs::read_to_string(self.root.join("port")).ok()?.trim().parse().ok()
    }

    pub(super) fn remember_port(&self, port: u16) -> Result<(), MongodError> {
        let fresh = self.root.join("port.new");
        std::fs::write(&fresh, format!("{port}\n")).map_err(|source| self.fault("port.new", source))?;
        std::fs::rename(&fresh, self.root.join("port")).map_err(|source| self.fault("port", source))
    }

    /// Sets the log aside, so that the next start, or a `logRotate` command, begins a new one.
    pub(super) fn rotate_log(&self) -> Result<(), MongodError> {
        match std::fs::rename(self.log(), self.root.join("mongod.log.1")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(self.fault("mongod.log", error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn log_bytes(&self) -> u64 {
        std::fs::metadata(self.log()).map_or(0, |metadata| metadata.len())
    }

    pub(super) fn log_tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok(String::from_utf8_lossy(&tail).into_owned())
        };
        read().unwrap_or_else(|error| format!("(no log: {error})"))
    }

    fn fault(&self, name: &str, source: std::io::Error) -> MongodError {
        MongodError::DataDir { path: self.root.join(name), source }
    }
}

pub(super) fn is_port_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
