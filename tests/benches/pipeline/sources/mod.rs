//! What each kind of source costs: readings a second and the agent's processor time for each, every reading on disk.
//!
//! Sources whose devices set the pace say only what a reading costs. Processor time is that of the whole agent, with
//! commit, fsync and sending.

mod decode;
mod device;
mod messages;
mod modbus;
mod mqtt;
mod serial;

use std::path::Path;
use std::time::{Duration, Instant};

use penstock_tests::world::Agent;

use crate::sink::Sink;
use crate::table::{Goal, Table, rate};

const WARM_UP: Duration = Duration::from_secs(1);
const SPAN: Duration = Duration::from_secs(4);
/// A forwarder that never waits for room.
const SETTINGS: &str = "[buffer]\nquota_bytes = \"4 GiB\"\n";

/// What an agent did in a span.
#[derive(Debug, Clone, Copy)]
struct Intake {
    readings: u64,
    took: Duration,
    processor: Duration,
}

impl Intake {
    /// Watches an agent for a span, of whose readings `count` tells how many there were so far.
    async fn watch(agent: &Agent, count: impl Fn() -> u64) -> Self {
        let (before, processor, started) = (count(), agent.process.processor_time(), Instant::now());
        tokio::time::sleep(SPAN).await;
        Self {
            readings: count() - before,
            took: started.elapsed(),
            processor: agent.process.processor_time() - processor,
        }
    }

    fn cheaper(self, other: Self) -> Self {
        if other.micros_each() < self.micros_each() { other } else { self }
    }

    fn per_second(&self) -> f64 {
        self.readings as f64 / self.took.as_secs_f64()
    }

    fn micros_each(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.readings.max(1) as f64
    }
}

pub(crate) async fn measure(table: &mut Table) {
    decode::measure(table);
    let plain = mqtt::measure(table).await;
    serial::measure(table, plain).await;
    modbus::measure(table, plain).await;
    device::measure(table, plain).await;
}

/// Adds what a source does in a second and costs, beside bare numbers by MQTT.
fn add(table: &mut Table, what: &str, intake: Intake, plain: Intake) {
    table.add(
        &format!("source: {what}"),
        format!("{}, {:.1} µs each", rate(intake.per_second(), "readings"), intake.micros_each()),
        format!("bare numbers {}, {:.1} µs each", rate(plain.per_second(), "readings"), plain.micros_each()),
        (intake.per_second() / plain.per_second(), " × the rate"),
        Goal::None,
    );
}

/// Adds what a reading costs of a source whose device sets the pace.
fn add_cost(table: &mut Table, what: &str, intake: Intake, plain: Intake) {
    table.add(
        &format!("source: {what}"),
        format!("{:.1} µs each at {}", intake.micros_each(), rate(intake.per_second(), "readings")),
        format!("bare numbers {:.1} µs each", plain.micros_each()),
        (intake.micros_each() / plain.micros_each(), " × the cost"),
        Goal::None,
    );
}

/// Starts an agent with one further source, and waits until its readings come.
async fn start(directory: &Path, sink: &Sink, source: &str) -> Agent {
    let settings = format!("{SETTINGS}{source}");
    Agent::start(directory, "bench", &sink.url(), &directory.join("buffer"), &settings).await
}
