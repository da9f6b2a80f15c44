//! Modbus buses: slaves asked for their registers on a schedule, by TCP or on a serial line.
//!
//! ```text
//! plan ─▶ schedule ─▶ link ──▶ value ─▶ rounds ─▶ Outlet ─▶ committer
//!                      │ lost
//!       open ◀ backoff ◀
//! ```
//!
//! A bus has one question at a time, so a slave that is silent costs all others its timeout: it is soon left out, and
//! tried again ever more seldom. The bus does not wait for the disk, until a bounded number of rounds does. This module
//! must not know how commits are stored.

mod counters;
mod fresh;
mod gap;
mod link;
mod plan;
mod schedule;
mod session;
mod slave;
mod value;

use std::sync::Arc;
use std::time::Duration;

use penstock_shared::backoff::Backoff;
use tokio::sync::{mpsc, watch};

use crate::config::ModbusSettings;
use crate::delivery::NotCommitted;
use crate::source::{Outlet, SourceTask};
pub use counters::{ModbusCounters, ModbusCounts};
use link::Link;
use session::{Bus, End, Round};

const BACKOFF_BASE: Duration = Duration::from_millis(100);
/// Rounds that wait for the disk at most; then the bus waits too. A round is a slave's values, some kilobytes at most.
const MAX_WAITING_ROUNDS: usize = 64;

/// Reads a bus for as long as it runs. `make_outlet` is given what tells it to stop.
#[must_use]
pub fn start(
    settings: ModbusSettings,
    make_outlet: impl FnOnce(watch::Receiver<bool>) -> Outlet,
) -> (SourceTask, Arc<ModbusCounters>) {
    let counters = Arc::<ModbusCounters>::default();
    let counted = Arc::clone(&counters);
    let task = SourceTask::start("modbus", |stopping| {
        let outlet = make_outlet(stopping.clone());
        let (sender, rounds) = mpsc::channel(MAX_WAITING_ROUNDS);
        let bus = Bus::new(&settings, sender, counted, Arc::clone(outlet.clock()));
        async move {
            // When the bus stops, what it read is still committed.
            tokio::join!(run(settings, bus, stopping), store(rounds, outlet));
        }
    });
    (task, counters)
}

async fn run(settings: ModbusSettings, mut bus: Bus, mut stopping: watch::Receiver<bool>) {
    let mut backoff = Backoff::new(BACKOFF_BASE, settings.backoff_max);
    let name = settings.name.as_str();
    let mut complained = String::new();
    loop {
        // Both branches are cancel-safe: nothing is lost with a link that is not open yet.
        let opened = tokio::select! {
            opened = Link::open(&settings) => opened,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let reason = match opened {
            Ok(link) => {
                counters::count(&bus.counters.openings);
                let end = bus.run(link, stopping.clone()).await;
                if bus.was_heard() {
                    backoff.reset();
                    complained.clear();
                }
                match end {
                    End::Stopped => return,
                    End::Lost(reason) => reason,
                }
            }
            Err(error) => error.to_string(),
        };
        // The same complaint again and again would hide others.
        if reason == complained {
            tracing::debug!(name, reason, "modbus bus not read");
        } else {
            tracing::warn!(name, reason, counts = ?bus.counters.counts(), "modbus bus not read");
            complained = reason;
        }
        let pause = backoff.next_delay(rand::random());
        // Both branches are cancel-safe: a timer and a watch.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Commits what the bus read, all that waits at once.
async fn store(mut rounds: mpsc::Receiver<Round>, mut outlet: Outlet) {
    let mut waiting = Vec::with_capacity(MAX_WAITING_ROUNDS);
    while rounds.recv_many(&mut waiting, MAX_WAITING_ROUNDS).await > 0 {
        if outlet.commit_parts(waiting.drain(..).flatten()).await == Err(NotCommitted::Stopping) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
