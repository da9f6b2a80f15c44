//! The agent's resident memory: idle, at work, and before a mountain of backlog.

use std::sync::Arc;
use std::time::Duration;

use penstock_tests::device::{Message, Pace, Progress, Publisher, Sensors};
use penstock_tests::world::{Agent, free_port};
use rand::Rng;

use crate::sink::Sink;
use crate::table::{Goal, Table};

const MEGABYTE: u64 = 1024 * 1024;
const SETTLE: Duration = Duration::from_secs(3);
const WORK: Duration = Duration::from_secs(10);
const BACKLOG: u64 = 1024 * MEGABYTE;
const TEXT_BYTES: usize = 16 * 1024;
const IDLE_MEGABYTES: f64 = 20.0;
const BACKLOG_MEGABYTES: f64 = 64.0;
const SETTINGS: &str = "[buffer]\nquota_bytes = \"4 GiB\"";

pub(crate) async fn measure(table: &mut Table) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sink = Sink::start().await;
    let agent =
        Agent::start(directory.path(), "bench", &sink.url(), &directory.path().join("a"), SETTINGS).await;
    tokio::time::sleep(SETTLE).await;
    add(table, "agent's memory, idle", resident(&agent), Goal::AtMost(IDLE_MEGABYTES));

    let sensors = Sensors::start(agent.listener(), "bench", 20, 1000.0);
    tokio::time::sleep(WORK).await;
    add(table, "agent's memory, 1,000 readings/s", resident(&agent), Goal::None);
    sensors.stop().await;
    drop(agent);

    // Nobody listens there: everything stays at the gateway.
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let agent = Agent::start(directory.path(), "full", &nowhere, &directory.path().join("b"), SETTINGS).await;
    fill(&agent).await;
    add(table, "agent's memory, 1 GB backlog", peak(&agent), Goal::AtMost(BACKLOG_MEGABYTES));
}

fn resident(agent: &Agent) -> f64 {
    agent.process.resident_bytes() as f64 / MEGABYTE as f64
}

fn peak(agent: &Agent) -> f64 {
    agent.process.peak_resident_bytes() as f64 / MEGABYTE as f64
}

fn add(table: &mut Table, what: &str, megabytes: f64, goal: Goal) {
    table.add(what, format!("{megabytes:.1} MB resident"), "–".to_owned(), (megabytes, " MB"), goal);
}

async fn fill(agent: &Agent) {
    let texts = BACKLOG / TEXT_BYTES as u64;
    let next = move |attempt: u64| {
        let text: String =
            (0..TEXT_BYTES / 8).map(|_| format!("{:08x}", rand::rng().random::<u32>())).collect();
        let payload = format!("{{\"value\":\"{text}\"}}").into_bytes();
        (attempt <= texts).then(|| Message { topic: "camera/frame".into(), payload })
    };
    let publisher = Publisher {
        address: agent.listener(),
        client: "camera".into(),
        window: 20,
        pace: Pace::Unlimited,
        next,
        acknowledged: |_| {},
    };
    let progress = Arc::new(Progress::default());
    publisher.run(Arc::clone(&progress)).await;
    assert_eq!(progress.acknowledged(), texts, "the backlog was not taken in");
}
