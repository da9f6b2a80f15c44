//! Instruments on serial lines: opened, read, and found again when they were unplugged.
//!
//! ```text
//! find ─▶ open ─▶ read ─▶ Framer ─▶ RecordParser ─▶ Outlet ─▶ committer
//!   ▲               │ end, error, silence
//!   └── backoff ◀───┘
//! ```
//!
//! While what was read waits for the disk, a bounded amount is read on: the line itself does not wait. A port that is gone reads as its end for ever, so an end
//! closes it, and the device is looked for anew: it may come back under another name. This module must not know how
//! commits are stored.

mod ahead;
mod clocks;
mod counters;
mod instrument;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use penstock_shared::backoff::Backoff;
use tokio::sync::watch;

use crate::config::SerialSettings;
use crate::source::{Outlet, SourceTask, port};
pub use counters::{SerialCounters, SerialCounts};
use instrument::Instrument;
use session::{End, Session};

const BACKOFF_BASE: Duration = Duration::from_millis(100);

/// Reads an instrument for as long as it runs. `make_outlet` is given what tells it to stop.
#[must_use]
pub fn start(
    settings: SerialSettings,
    make_outlet: impl FnOnce(watch::Receiver<bool>) -> Outlet,
) -> (SourceTask, Arc<SerialCounters>) {
    start_under(settings, PathBuf::from("/"), make_outlet)
}

/// As [`start`], with another root directory in which `/sys` and `/dev` are.
fn start_under(
    settings: SerialSettings,
    root: PathBuf,
    make_outlet: impl FnOnce(watch::Receiver<bool>) -> Outlet,
) -> (SourceTask, Arc<SerialCounters>) {
    let counters = Arc::<SerialCounters>::default();
    let counted = Arc::clone(&counters);
    let task = SourceTask::start("serial", |stopping| {
        let instrument = Instrument::new(&settings, make_outlet(stopping.clone()), counted);
        run(settings, root, instrument, stopping)
    });
    (task, counters)
}

async fn run(
    settings: SerialSettings,
    root: PathBuf,
    mut instrument: Instrument,
    mut stopping: watch::Receiver<bool>,
) {
    let mut backoff = Backoff::new(BACKOFF_BASE, settings.backoff_max);
    let name = settings.name.as_str();
    let mut complained = String::new();
    loop {
        match port::open(&settings.port, &root).await {
            Ok((port, path)) => {
                instrument.counters.count_opening();
                tracing::info!(name, path = %path.display(), "serial port open");
                complained.clear();
                let session = Session::new(port, &settings, Arc::clone(instrument.clock()), stopping.clone());
                let (end, was_heard) = session.run(&mut instrument).await;
                if was_heard {
                    backoff.reset();
                }
                match end {
                    End::Stopped => return,
                    End::Lost(reason) => {
                        tracing::warn!(name, reason, counts = ?instrument.counters.counts(), "serial port lost");
                    }
                    End::Idle => {
                        instrument.counters.count_idle();
                        tracing::warn!(name, idle = ?settings.idle, "serial line idle, opening the port anew");
                    }
                }
            }
            // The same complaint again and again would hide others.
            Err(error) if error.to_string() == complained => {
                tracing::debug!(name, %error, "serial port not open")
            }
            Err(error) => {
                tracing::warn!(name, %error, "serial port not open");
                complained = error.to_string();
            }
        }
        let pause = backoff.next_delay(rand::random());
        // Both branches are cancel-safe: a timer and a watch.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
mod tests;
