//! One life of an appender, from its start to its end.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::appender::Task;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running appender.
pub(crate) struct Life {
    child: Child,
    began: Instant,
    opened: Receiver<()>,
    acknowledged: Arc<AtomicU64>,
    lines: Option<JoinHandle<Vec<String>>>,
}

impl Life {
    pub(crate) fn start(buffer: &Path, task: &Task) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "appender", "--nocapture"])
            .envs(task.environment(buffer))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (open, opened) = mpsc::channel();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&acknowledged);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let lines = std::thread::spawn(move || {
            let mut lines = Vec::new();
            let mut line = String::new();
            while output.read_line(&mut line).unwrap() > 0 {
                if let Some(said) = line.strip_prefix("@ ") {
                    if said.starts_with("opened") && open.send(()).is_err() {
                        // Nobody waits for it any more.
                    }
                    if said.starts_with("acknowledged") {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    lines.push(said.trim_end().to_owned());
                }
                line.clear();
            }
            lines
        });
        Self { child, began: Instant::now(), opened, acknowledged, lines: Some(lines) }
    }

    /// Waits until the buffer is open and returns how long that took.
    pub(crate) fn opened(&mut self) -> Duration {
        self.opened.recv_timeout(PATIENCE).expect("every start succeeds");
        self.began.elapsed()
    }

    /// Waits until something is acknowledged from now on and returns how long that took.
    pub(crate) fn acknowledges(&self) -> Duration {
        let (before, asked) = (self.acknowledged.load(Ordering::SeqCst), Instant::now());
        while self.acknowledged.load(Ordering::SeqCst) == before {
            assert!(asked.elapsed() < PATIENCE, "nothing is acknowledged any more");
            std::thread::sleep(Duration::from_millis(1));
        }
        asked.elapsed()
    }

    /// Kills the process and returns what it said.
    pub(crate) fn kill(&mut self) -> Vec<String> {
        let ended_before = self.child.try_wait().unwrap();
        assert_eq!(ended_before, None, "the appender ended by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said()
    }

    /// Waits until the process ends by itself and returns what it said.
    pub(crate) fn until_it_ends(&mut self) -> Vec<String> {
        let said = self.said();
        assert!(self.child.wait().unwrap().success());
        said
    }

    fn said(&mut self) -> Vec<String> {
        self.lines.take().unwrap().join().unwrap()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // It may have ended already.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}
