//! The agent's resident memory: idle, at work, and before, under and after a mountain of backlog.

use std::sync::Arc;
use std::time::Duration;

use penstock_tests::device::{Message, Pace, Progress, Publisher, Sensors};
use penstock_tests::eventually::eventually_within;
use penstock_tests::world::{Agent, Fault, Link};
use rand::Rng;

use crate::sink::Sink;
use crate::table::{Goal, Table};

const MEGABYTE: u64 = 1024 * 1024;
const SETTLE: Duration = Duration::from_secs(3);
const WORK: Duration = Duration::from_secs(10);
const DRAIN_PATIENCE: Duration = Duration::from_secs(900);
const BACKLOG: u64 = 1024 * MEGABYTE;
const TEXT_BYTES: u64 = 16 * 1024;
const NUMBERS_IN_A_MESSAGE: u64 = 200;
/// What a number without a pattern takes in the buffer, with what sled adds.
const NUMBER_BYTES: u64 = 19;
const IDLE_MEGABYTES: f64 = 15.0;
const WORK_MEGABYTES: f64 = 20.0;
const BACKLOG_MEGABYTES: f64 = 40.0;
const SETTINGS: &str = "[buffer]\nquota_bytes = \"4 GiB\"";

pub(crate) async fn measure(table: &mut Table) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sink = Sink::start().await;
    let agent =
        Agent::start(directory.path(), "bench", &sink.url(), &directory.path().join("a"), SETTINGS).await;
    tokio::time::sleep(SETTLE).await;
    add(table, "agent's memory, idle", agent.process.resident_bytes(), Goal::AtMost(IDLE_MEGABYTES));

    let sensors = Sensors::start(agent.listener(), "bench", 20, 1000.0);
    tokio::time::sleep(WORK).await;
    let at_work = agent.process.resident_bytes();
    add(table, "agent's memory, 1,000 readings/s", at_work, Goal::AtMost(WORK_MEGABYTES));
    sensors.stop().await;
    drop(agent);

    let messages = BACKLOG / (NUMBERS_IN_A_MESSAGE * NUMBER_BYTES);
    backlog(table, "1 GB of numbers", messages, numbers).await;
    backlog(table, "1 GB of texts", BACKLOG / TEXT_BYTES, text).await;
}

async fn backlog(table: &mut Table, what: &str, messages: u64, next: fn() -> Message) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sink = Sink::start().await;
    let link = Link::to(sink.port()).await;
    link.set(Fault::Cut);
    let buffer = directory.path().join("b");
    let agent = Agent::start(directory.path(), "full", &link.url(), &buffer, SETTINGS).await;
    fill(&agent, messages, next).await;
    let (peak, goal) = (agent.process.peak_resident_bytes(), Goal::AtMost(BACKLOG_MEGABYTES));
    add(table, &format!("agent's memory, {what} come in: peak"), peak, goal);
    tokio::time::sleep(SETTLE).await;
    add(table, &format!("agent's memory, {what} wait"), agent.process.resident_bytes(), goal);
    forget_peak(&agent);
    link.set(Fault::None);
    eventually_within(DRAIN_PATIENCE, "the backlog drains", async || match agent.counts()?.buffered {
        0 => Ok(()),
        left => Err(format!("{left} readings are left")),
    })
    .await;
    let peak = agent.process.peak_resident_bytes();
    add(table, &format!("agent's memory, {what} drain: peak"), peak, goal);
    tokio::time::sleep(SETTLE).await;
    let after = agent.process.resident_bytes();
    add(table, &format!("agent's memory, {what} drained"), after, Goal::None);
}

/// Makes the kernel count the peak from now on (proc(5), `clear_refs`).
fn forget_peak(agent: &Agent) {
    std::fs::write(format!("/proc/{}/clear_refs", agent.process.id()), "5").expect("the agent is ours");
}

fn add(table: &mut Table, what: &str, bytes: u64, goal: Goal) {
    let megabytes = bytes as f64 / MEGABYTE as f64;
    table.add(what, format!("{megabytes:.1} MB resident"), "–".to_owned(), (megabytes, " MB"), goal);
}

async fn fill(agent: &Agent, messages: u64, next: fn() -> Message) {
    let publisher = Publisher {
        address: agent.listener(),
        client: "filler".into(),
        window: 20,
        pace: Pace::Unlimited,
        next: move |attempt: u64| (attempt <= messages).then(next),
        acknowledged: |_| {},
    };
    let progress = Arc::new(Progress::default());
    publisher.run(Arc::clone(&progress)).await;
    assert_eq!(progress.acknowledged(), messages, "the backlog was not taken in");
}

/// Numbers that no compression makes smaller, as the worst of devices sends them.
fn numbers() -> Message {
    let members: Vec<_> = (0..NUMBERS_IN_A_MESSAGE)
        .map(|number| format!("\"n{number}\":{}", rand::rng().random::<f64>()))
        .collect();
    Message { topic: "plant/press".into(), payload: format!("{{{}}}", members.join(",")).into_bytes() }
}

/// A text that no compression makes smaller than half.
fn text() -> Message {
    let text: String = (0..TEXT_BYTES / 8).map(|_| format!("{:08x}", rand::rng().random::<u32>())).collect();
    Message { topic: "camera/frame".into(), payload: format!("{{\"value\":\"{text}\"}}").into_bytes() }
}
