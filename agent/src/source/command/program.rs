//! A program that runs: its output, its last complaint, its end.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::End;
use crate::config::ENVIRONMENT_PREFIX;

const CHUNK_BYTES: usize = 8 * 1024;
/// Of what it complains, this much is told.
const COMPLAINT_BYTES: u64 = 1024;
/// How long it has to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// How long its pipes are read on when it has ended.
const DRAIN: Duration = Duration::from_secs(1);

pub(super) struct Program {
    child: Child,
    group: Option<Pid>,
    output: ChildStdout,
    complaints: JoinHandle<String>,
}

impl Program {
    pub(super) fn start(command: &[String]) -> io::Result<Self> {
        let (program, arguments) =
            command.split_first().ok_or_else(|| io::Error::other("no program is named"))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // The agent's own settings, a token perhaps among them, are none of its business.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(ENVIRONMENT_PREFIX) {
                command.env_remove(name);
            }
        }
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let no_pipe = || io::Error::other("no pipe to the program");
        let output = child.stdout.take().ok_or_else(no_pipe)?;
        let complaints = child.stderr.take().ok_or_else(no_pipe)?;
        Ok(Self { child, group, output, complaints: tokio::spawn(last_complaint(complaints)) })
    }

    /// Returns what it prints next; none at the end, also where a child of its own keeps the output open.
    pub(super) async fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let ended = async {
            // An error is told when the program is asked for its end.
            drop(self.child.wait().await);
            tokio::time::sleep(DRAIN).await;
        };
        // Both branches are cancel-safe: a read takes nothing before it is ready, a wait may be repeated.
        let length = tokio::select! {
            biased;
            length = self.output.read_buf(&mut chunk) => length?,
            () = ended => 0,
        };
        Ok((length > 0).then_some(chunk))
    }

    /// Waits until the program, whose output has ended, has ended too.
    pub(super) async fn finish(&mut self) -> End {
        let status = match tokio::time::timeout(GRACE, self.child.wait()).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return End::Failed(error.to_string()),
            Err(_) => return End::Failed("closed its output and went on running".to_owned()),
        };
        if status.success() {
            return End::Finished;
        }
        // A child of its own may hold the pipe open.
        let complaint = tokio::time::timeout(DRAIN, &mut self.complaints).await;
        let complaint = complaint.ok().and_then(Result::ok).unwrap_or_default();
        End::Failed(format!("{status}: {complaint}").trim_end_matches([':', ' ']).to_owned())
    }

    /// Ends the program, where it has not ended, and all that it started.
    pub(super) async fn end(&mut self) {
        let is_running = matches!(self.child.try_wait(), Ok(None));
        if let Some(group) = self.group {
            if is_running {
                signal_group(group, Signal::TERM);
                if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
                    tracing::debug!("command does not end by itself");
                }
            }
            // What it started may have stayed.
            signal_group(group, Signal::KILL);
        }
        self.complaints.abort();
    }
}

fn signal_group(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal) {
        tracing::debug!(%error, ?signal, "command's processes are gone");
    }
}

/// Reads everything, so that the program never waits, and returns the last line.
async fn last_complaint(complaints: ChildStderr) -> String {
    let mut lines = BufReader::new(complaints);
    let mut last = String::new();
    loop {
        let mut line = Vec::new();
        match (&mut lines).take(COMPLAINT_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => {
                let line = String::from_utf8_lossy(&line);
                if !line.trim().is_empty() {
                    last = line.trim().to_owned();
                }
            }
        }
    }
}
