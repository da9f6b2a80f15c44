//! Programs that print readings, a line each: started at an interval, or kept running.
//!
//! ```text
//! start ─▶ stdout ─▶ Framer (lines) ─▶ RecordParser ─▶ Outlet ─▶ committer
//!   ▲         │ end
//!   └── interval or backoff
//! ```
//!
//! While what it printed waits for the disk, nothing more is read, and the program waits at its pipe. It runs in a
//! process group of its own, which is ended as a whole.

mod counters;
mod program;
mod reader;

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_shared::backoff::Backoff;
use tokio::sync::watch;

use crate::config::CommandSettings;
use crate::delivery::NotCommitted;
use crate::source::{Outlet, SourceTask};
pub use counters::{CommandCounters, CommandCounts};
use program::Program;
use reader::LineReader;

const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// A program that ran this long was a good one: it is started again soon.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// Reads a program's lines for as long as it runs. `make_outlet` is given what tells it to stop.
#[must_use]
pub fn start(
    settings: CommandSettings,
    make_outlet: impl FnOnce(watch::Receiver<bool>) -> Outlet,
) -> (SourceTask, Arc<CommandCounters>) {
    let counters = Arc::<CommandCounters>::default();
    let counted = Arc::clone(&counters);
    let task = SourceTask::start("command", |stopping| {
        let reader = LineReader::new(&settings, make_outlet(stopping.clone()), counted);
        run(settings, reader, stopping)
    });
    (task, counters)
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Stopped,
    Finished,
    Failed(String),
}

enum Event {
    Heard(std::io::Result<Option<Vec<u8>>>),
    Late,
    Stop,
}

async fn run(settings: CommandSettings, mut reader: LineReader, mut stopping: watch::Receiver<bool>) {
    let mut backoff = Backoff::new(BACKOFF_BASE, settings.backoff_max);
    let name = settings.name.as_str();
    let mut complained = String::new();
    loop {
        let started = Instant::now();
        let end = run_once(&settings, &mut reader, &mut stopping).await;
        reader.counters.count_run(matches!(end, End::Failed(_)));
        match end {
            End::Stopped => return,
            End::Finished => complained.clear(),
            // The same complaint again and again would hide others.
            End::Failed(reason) if reason == complained => tracing::debug!(name, reason, "command failed"),
            End::Failed(reason) => {
                tracing::warn!(name, reason, "command failed");
                complained = reason;
            }
        }
        let pause = match settings.interval {
            Some(interval) => interval.saturating_sub(started.elapsed()),
            None => {
                if started.elapsed() > GOOD_RUN {
                    backoff.reset();
                }
                backoff.next_delay(rand::random())
            }
        };
        // Both branches are cancel-safe: a timer and a watch.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

async fn run_once(
    settings: &CommandSettings,
    reader: &mut LineReader,
    stopping: &mut watch::Receiver<bool>,
) -> End {
    let mut program = match Program::start(&settings.run) {
        Ok(program) => program,
        // Arguments may hold a password.
        Err(error) => {
            let name = settings.run.first().map(String::as_str).unwrap_or_default();
            return End::Failed(format!("{name}: {error}"));
        }
    };
    let end = read_lines(settings, &mut program, reader, stopping).await;
    program.end().await;
    reader.forget();
    end
}

async fn read_lines(
    settings: &CommandSettings,
    program: &mut Program,
    reader: &mut LineReader,
    stopping: &mut watch::Receiver<bool>,
) -> End {
    let deadline = settings.interval.map(|_| tokio::time::Instant::now() + settings.timeout);
    loop {
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        // Every branch is cancel-safe: a read takes nothing before it is ready.
        let event = tokio::select! {
            heard = program.read() => Event::Heard(heard),
            () = late => Event::Late,
            _ = stopping.wait_for(|stop| *stop) => Event::Stop,
        };
        let committed = match event {
            Event::Heard(Ok(Some(bytes))) => reader.take(&bytes).await,
            Event::Heard(Ok(None)) => match program.finish().await {
                // What a program that failed began to print last is no line.
                End::Finished => return reader.end().await.map_or(End::Stopped, |()| End::Finished),
                failed => return failed,
            },
            Event::Heard(Err(error)) => return End::Failed(error.to_string()),
            Event::Late => return End::Failed(format!("ended after its {} s", settings.timeout.as_secs())),
            Event::Stop => return End::Stopped,
        };
        if committed == Err(NotCommitted::Stopping) {
            return End::Stopped;
        }
    }
}

#[cfg(test)]
mod tests;
