//! The way to the buffer, whether the agent runs or not.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::answer::answer;
use super::client::{Client, ControlError, connect, not_allowed};
use super::message::{Answer, Request};
use crate::buffer::{Buffer, BufferError, BufferSettings};

/// A way to one buffer.
pub enum Door {
    /// The agent has it, and is asked.
    Agent(Box<Client>),
    /// No agent runs: this process has it, and an agent that is started now is told that it is in use.
    Own(Box<Buffer>),
}

/// Finds the way to a buffer. Opening it heals what a crash left behind, as the agent's start would.
///
/// Root becomes the buffer's owner for it, by starting the program anew: what it writes must remain the agent's.
///
/// # Errors
/// When there is no buffer, it is somebody else's, or it cannot be opened.
pub fn open(settings: BufferSettings) -> Result<Door, ControlError> {
    let dir = settings.dir.clone();
    if let Some(client) = connect(&dir)? {
        return Ok(Door::Agent(Box::new(client)));
    }
    if !dir.join("state").exists() {
        return Err(match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => not_allowed(&dir),
            _ => ControlError::Absent(dir),
        });
    }
    become_owner(&dir)?;
    match Buffer::open(settings) {
        Ok(buffer) => Ok(Door::Own(Box::new(buffer))),
        Err(error) if is_forbidden(&error) => Err(not_allowed(&dir)),
        Err(error) => Err(ControlError::Buffer(error)),
    }
}

impl Door {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub fn ask(&mut self, request: Request) -> Result<Answer, ControlError> {
        match self {
            Self::Agent(client) => client.ask(&request),
            Self::Own(buffer) => match answer(request, buffer) {
                Answer::Refused { reason } => Err(ControlError::Refused(reason)),
                answer => Ok(answer),
            },
        }
    }
}

fn is_forbidden(error: &BufferError) -> bool {
    matches!(error, BufferError::Disk { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied)
}

fn become_owner(dir: &Path) -> Result<(), ControlError> {
    let Ok(owned) = dir.metadata() else { return Ok(()) };
    if !rustix::process::geteuid().is_root() || owned.uid() == 0 {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(ControlError::Silent)?;
    let mut command = Command::new(program);
    // Returns only when it fails.
    let error = command.args(std::env::args_os().skip(1)).uid(owned.uid()).gid(owned.gid()).exec();
    Err(ControlError::Owner(error))
}
