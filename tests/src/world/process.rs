//! A child process with its output in files. It must not know which program it runs.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::eventually::eventually;

/// How long a process may take to end after SIGTERM.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// In which `/proc` counts processor time: Linux shows 100 a second on every machine (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// How many of the last lines of a process's log a failing test shows.
const LOG_LINES_SHOWN: usize = 40;

/// A program that is started, killed and started again.
#[derive(Debug)]
pub struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    directory: PathBuf,
    own_group: bool,
    runs: u32,
    child: Option<Child>,
}

impl Process {
    /// Describes a process; starts nothing. Its output goes to `directory` under `name`.
    #[must_use]
    pub fn new(name: &str, program: PathBuf, arguments: &[&str], directory: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            environment: Vec::new(),
            directory: directory.to_owned(),
            own_group: false,
            runs: 0,
            child: None,
        }
    }

    /// Sets an environment variable for every later start.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Keeps signals for this program's process group away from the process: Ctrl-C at a terminal reaches a whole group.
    pub fn lead_own_group(&mut self) {
        self.own_group = true;
    }

    /// Starts the program.
    ///
    /// # Panics
    /// When it is missing, or runs already.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        self.runs += 1;
        let output =
            |suffix: &str| File::create(self.output(suffix)).expect("the world's directory is writable");
        let mut command = Command::new(&self.program);
        if self.own_group {
            command.process_group(0);
        }
        let child = command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output("out"))
            .stderr(output("err"))
            .spawn();
        self.child = Some(child.unwrap_or_else(|fault| panic!("{}: {fault}", self.program.display())));
    }

    /// Waits for a line of this run's standard output that starts with `prefix`, and returns what follows.
    ///
    /// # Panics
    /// When the process ends before, or takes too long.
    pub async fn line(&mut self, prefix: &str) -> String {
        let claim = format!("{} says {prefix:?}", self.name);
        eventually(&claim, async || {
            // A line without its end may still be growing.
            let text = fs::read_to_string(self.output("out")).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            if let Some(rest) = whole.lines().find_map(|line| line.strip_prefix(prefix)) {
                return Ok(rest.trim().to_owned());
            }
            if let Some(status) = self.exit_status() {
                panic!("{} ended with {status} instead of saying {prefix:?}", self.name);
            }
            Err("it does not yet".to_owned())
        })
        .await
    }

    /// Returns everything that this run wrote to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        self.log_of(self.runs)
    }

    /// Kills the process with SIGKILL and waits until it is gone. Does nothing when it does not run.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a killed child ends");
        }
    }

    /// Asks the process to end with SIGTERM and returns how it ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + STOP_PATIENCE;
        loop {
            if let Some(status) = self.exit_status() {
                self.child = None;
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end after SIGTERM", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks the process with SIGHUP to read its configuration anew.
    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// Freezes the process with SIGSTOP, as an overloaded or suspended machine would.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Returns how the process ended, when it did.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("a child can be waited for"))
    }

    /// Returns the process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.as_ref().map(Child::id).unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// Returns the resident memory in bytes, from `/proc`.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.proc_status_kilobytes("VmRSS:") * 1024
    }

    /// Returns the most resident memory that the process ever had, in bytes.
    #[must_use]
    pub fn peak_resident_bytes(&self) -> u64 {
        self.proc_status_kilobytes("VmHWM:") * 1024
    }

    /// Returns how many files, sockets and other descriptors the process has open.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn open_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    /// Returns the processor time that the process took so far, of all its threads, from `/proc`.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        // Behind the program's name, which may have blanks, utime and stime are the 12th and 13th (proc(5)).
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks =
            behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        TICK * u32::try_from(ticks.sum::<u64>()).unwrap_or(u32::MAX)
    }

    fn proc_status_kilobytes(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        value.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).expect("process ids are positive");
        kill(Pid::from_raw(id), signal).expect("a child takes signals");
    }

    fn log_of(&self, run: u32) -> String {
        fs::read_to_string(self.output_of(run, "err")).unwrap_or_default()
    }

    fn output(&self, suffix: &str) -> PathBuf {
        self.output_of(self.runs, suffix)
    }

    fn output_of(&self, run: u32, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}-{run}.{suffix}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let logs: Vec<_> = (1..=self.runs).map(|run| (run, self.log_of(run))).collect();
            let lines: Vec<_> = logs
                .iter()
                .flat_map(|(run, log)| log.lines().map(move |line| format!("{run}: {line}")))
                .collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("--- end of the log of {}, run: line ---\n{}", self.name, shown.join("\n"));
        }
    }
}
