//! An open bus, read slave after slave as they are due.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::counters::{ModbusCounters, count};
use super::link::{Answer, Link};
use super::schedule::Schedule;
use super::slave::Slave;
use super::value;
use crate::clock::Clock;
use crate::config::ModbusSettings;
use crate::decode::Sample;

/// After so many requests in a row that nobody answered, whoever was asked, the bus may hang and is opened anew.
const MAX_SILENCES: usize = 3;

/// What one look at a slave gave: its name, and each value.
pub(super) type Round = Vec<(String, Sample)>;

/// Everything about a bus that outlives its openings.
pub(super) struct Bus {
    name: String,
    slaves: Vec<Slave>,
    schedule: Schedule,
    silences: usize,
    heard: bool,
    rounds: mpsc::Sender<Round>,
    pub(super) counters: Arc<ModbusCounters>,
    clock: Arc<Clock>,
}

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    Stopped,
    Lost(String),
}

/// How a look at a slave ended.
enum Outcome {
    Answered,
    Silent,
    Lost(String),
}

impl Bus {
    pub(super) fn new(
        settings: &ModbusSettings,
        rounds: mpsc::Sender<Round>,
        counters: Arc<ModbusCounters>,
        clock: Arc<Clock>,
    ) -> Self {
        let intervals = settings.slaves.iter().map(|slave| slave.interval);
        let schedule = Schedule::new(intervals, settings.timeout, settings.backoff_max, Instant::now());
        let slaves = settings.slaves.iter().cloned().map(Slave::new).collect();
        let name = settings.name.clone();
        Self { name, slaves, schedule, silences: 0, heard: false, rounds, counters, clock }
    }

    /// Reads the bus until it is lost or told to stop.
    pub(super) async fn run(&mut self, mut link: Link, mut stopping: watch::Receiver<bool>) -> End {
        self.silences = 0;
        self.heard = false;
        // Both branches are cancel-safe: when it stops, the link goes with what was asked on it.
        tokio::select! {
            reason = self.read(&mut link) => End::Lost(reason),
            _ = stopping.wait_for(|stop| *stop) => End::Stopped,
        }
    }

    /// Tells whether anybody answered in the last session.
    pub(super) const fn was_heard(&self) -> bool {
        self.heard
    }

    async fn read(&mut self, link: &mut Link) -> String {
        loop {
            let Some((due, index)) = self.schedule.next() else {
                return std::future::pending().await;
            };
            tokio::time::sleep_until(due.into()).await;
            let mut round = Round::new();
            let looked = self.look(link, index, &mut round).await;
            if !round.is_empty() && !self.heard {
                self.heard = true;
                tracing::info!(name = self.name, "modbus bus is read");
            }
            if !round.is_empty() && self.rounds.send(round).await.is_err() {
                return "nobody takes the readings".to_owned();
            }
            if let Err(reason) = looked {
                return reason;
            }
            if self.silences >= MAX_SILENCES.max(self.slaves.len()) {
                return "no slave answers".to_owned();
            }
        }
    }

    /// Asks a slave for all it has, up to its first silence.
    async fn look(&mut self, link: &mut Link, index: usize, round: &mut Round) -> Result<(), String> {
        let Some(slave) = self.slaves.get_mut(index) else { return Ok(()) };
        let mut refusals = Vec::new();
        let mut outcome = Outcome::Answered;
        for (place, request) in slave.requests.iter_mut().enumerate() {
            match link.ask(slave.unit, &request.block).await {
                Answer::Data(data) => {
                    count(&self.counters.answers);
                    self.silences = 0;
                    request.accepted();
                    let now = Some(self.clock.now());
                    let samples = value::samples(&request.block, &slave.registers, &data).into_iter();
                    round.extend(samples.map(|sample| (slave.name.clone(), Sample { time: now, ..sample })));
                }
                Answer::Exception(code) => {
                    count(&self.counters.exceptions);
                    self.silences = 0;
                    refusals.push((place, code));
                }
                Answer::Garbled(detail) => {
                    count(&self.counters.garbled);
                    tracing::debug!(bus = self.name, slave = slave.name, detail, "modbus answer garbled");
                }
                Answer::Silence => {
                    count(&self.counters.timeouts);
                    self.silences += 1;
                    outcome = Outcome::Silent;
                    break;
                }
                Answer::Lost(reason) => {
                    outcome = Outcome::Lost(reason);
                    break;
                }
            }
        }
        // From the last to the first, as a split moves those behind it.
        for (place, code) in refusals.into_iter().rev() {
            slave.refused(&self.name, place, code);
        }
        self.conclude(index, outcome)
    }

    fn conclude(&mut self, index: usize, outcome: Outcome) -> Result<(), String> {
        let now = Instant::now();
        let slave = self.slaves.get(index).map(|slave| slave.name.as_str());
        if matches!(outcome, Outcome::Answered) {
            if self.schedule.answered(index, now) {
                tracing::info!(bus = self.name, slave, "modbus slave answers again");
            }
        } else if self.schedule.silent(index, now, rand::random()) {
            tracing::warn!(bus = self.name, slave, "modbus slave silent, left out");
        }
        match outcome {
            Outcome::Answered | Outcome::Silent => Ok(()),
            // A slave whose question makes a gateway hang up would otherwise be the first to be asked for ever.
            Outcome::Lost(reason) => Err(reason),
        }
    }
}
