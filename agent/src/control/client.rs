//! The operator's end of the control socket, and what to say where there is no way to it.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::message::{Answer, Request};
use super::socket;
use crate::buffer::BufferError;

/// An agent whose disk hangs does not answer; the operator wants to know that.
const PATIENCE: Duration = Duration::from_secs(20);
/// No answer is longer.
const MOST_ANSWER_BYTES: u64 = 16 << 20;

/// A connection to the agent that runs.
pub struct Client {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
}

/// Why the agent cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The operator is not who may.
    #[error("{path} is owned by {owner}: run this as that user or as root")]
    NotAllowed {
        /// What may not be used.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// There is no buffer where the configuration says.
    #[error("no buffer in {0}: the agent never ran with it, or buffer.dir is another")]
    Absent(PathBuf),
    /// The buffer cannot be opened.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// Root cannot become the buffer's owner.
    #[error("cannot become the buffer's owner")]
    Owner(#[source] io::Error),
    /// The agent does not answer.
    #[error("the agent does not answer")]
    Silent(#[source] io::Error),
    /// The agent answers something else.
    #[error("the agent's answer is not understood, is it of another version?")]
    Strange(#[source] serde_json::Error),
    /// The agent refuses.
    #[error("{0}")]
    Refused(String),
}

/// Connects to the agent that has the buffer in `dir`; none when none runs.
///
/// # Errors
/// When there is no buffer, or it is not this user's.
pub fn connect(dir: &Path) -> Result<Option<Client>, ControlError> {
    match socket::connect(dir) {
        Ok(stream) => Client::over(stream).map(Some).map_err(ControlError::Silent),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(not_allowed(dir)),
        // A socket that nobody listens at was left by a kill.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            match std::fs::metadata(dir) {
                Ok(_) => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(not_allowed(dir)),
                Err(_) => Err(ControlError::Absent(dir.to_owned())),
            }
        }
        Err(error) => Err(ControlError::Silent(error)),
    }
}

/// Tells whether a process has the buffer in `dir` open, also one whose socket is not there.
///
/// # Errors
/// When it cannot be told, as the buffer is somebody else's.
pub fn is_in_use(dir: &Path) -> io::Result<bool> {
    match File::open(dir.join("lock")) {
        Ok(lock) => Ok(matches!(lock.try_lock(), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the refusal of what is somebody else's at `path`.
pub(super) fn not_allowed(path: &Path) -> ControlError {
    // Where even its owner is hidden, the directory above it tells.
    let seen = path.ancestors().find(|path| path.metadata().is_ok()).unwrap_or(path);
    ControlError::NotAllowed { path: seen.to_owned(), owner: owner_of(seen) }
}

/// Returns the name of a file's owner, or its number.
#[must_use]
pub fn owner_of(path: &Path) -> String {
    let Ok(metadata) = path.metadata() else { return "somebody else".to_owned() };
    let uid = metadata.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("user {uid}"))
}

impl Client {
    fn over(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, reader })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ControlError> {
        let mut line = serde_json::to_vec(request).map_err(ControlError::Strange)?;
        line.push(b'\n');
        // One that is turned away is told so before it asks: the answer is read even where nobody takes the question.
        let sent = self.stream.write_all(&line);
        match self.hear() {
            Err(ControlError::Silent(_)) if sent.is_err() => {
                sent.map_err(ControlError::Silent).and(self.hear())
            }
            answer => answer,
        }
    }

    /// Waits for one more answer.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub fn hear(&mut self) -> Result<Answer, ControlError> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(MOST_ANSWER_BYTES).read_until(b'\n', &mut line);
        read.map_err(ControlError::Silent)?;
        if line.is_empty() {
            return Err(ControlError::Silent(io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_slice(&line).map_err(ControlError::Strange)? {
            Answer::Refused { reason } => Err(ControlError::Refused(reason)),
            answer => Ok(answer),
        }
    }

    /// Waits for answers however long they take to come.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn be_patient(&self) -> io::Result<()> {
        self.stream.set_read_timeout(None)
    }
}
