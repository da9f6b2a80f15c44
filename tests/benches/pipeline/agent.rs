//! The agent's listener, every message fsynced before its acknowledgement, beside Mosquitto, which syncs nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_tests::device::{Message, Pace, Progress, Publisher, Subscriber};
use penstock_tests::world::{Agent, Broker};

use crate::sink::Sink;
use crate::table::{Goal, Table, rate};

const PUBLISHERS: usize = 4;
const IN_FLIGHT: usize = 100;
const WARM_UP: Duration = Duration::from_secs(1);
const SPAN: Duration = Duration::from_secs(5);
const TURNS: usize = 3;
/// A forwarder that never waits for room: the buffer must hold what the fastest turn leaves behind.
const SETTINGS: &str = "[buffer]\nquota_bytes = \"4 GiB\"";

pub(crate) async fn measure(table: &mut Table) {
    let (mut ours, mut theirs) = (0.0_f64, 0.0_f64);
    for turn in 1..=TURNS {
        let mosquitto = mosquitto().await;
        let agent = agent().await;
        println!("turn {turn}: agent {}, mosquitto {}", rate(agent, "messages"), rate(mosquitto, "messages"));
        ours = ours.max(agent);
        theirs = theirs.max(mosquitto);
    }
    table.add(
        "agent: QoS 1 publish to acknowledgement after fsync",
        rate(ours, "messages"),
        format!("Mosquitto with one subscriber {}", rate(theirs, "messages")),
        (ours / theirs, " ×"),
        Goal::AtLeast(1.0),
    );
}

async fn mosquitto() -> f64 {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(directory.path()).await;
    let subscriber = Subscriber::start(broker.address(), "#").await.expect("the broker is there");
    let rate = load(broker.address()).await;
    assert!(subscriber.received() > 0, "the subscriber got nothing");
    rate
}

async fn agent() -> f64 {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sink = Sink::start().await;
    let buffer = directory.path().join("buffer");
    let agent = Agent::start(directory.path(), "bench", &sink.url(), &buffer, SETTINGS).await;
    load(agent.listener()).await
}

/// Returns acknowledged messages a second of publishers that are only held back by their windows.
async fn load(listener: SocketAddr) -> f64 {
    let mut publishers = Vec::new();
    for number in 0..PUBLISHERS {
        let progress = Arc::new(Progress::default());
        let publisher = Publisher {
            address: listener,
            client: format!("bench{number}"),
            window: IN_FLIGHT,
            pace: Pace::Unlimited,
            next: move |attempt| Some(message(number, attempt)),
            acknowledged: |_| {},
        };
        publishers.push((Arc::clone(&progress), tokio::spawn(publisher.run(progress))));
    }
    let acknowledged = || publishers.iter().map(|(progress, _)| progress.acknowledged()).sum::<u64>();
    tokio::time::sleep(WARM_UP).await;
    let (before, started) = (acknowledged(), Instant::now());
    tokio::time::sleep(SPAN).await;
    let rate = (acknowledged() - before) as f64 / started.elapsed().as_secs_f64();
    for (progress, _) in &publishers {
        progress.stop();
    }
    for (_, task) in publishers {
        task.await.expect("a publisher does not panic");
    }
    rate
}

/// About 40 bytes of JSON, as a device with a clock sends them.
fn message(publisher: usize, attempt: u64) -> Message {
    let value = 20.0 + (attempt % 1000) as f64 / 100.0;
    let payload = format!("{{\"value\":{value:.2},\"ts\":{}}}", 1_790_000_000_000 + attempt);
    Message {
        topic: format!("line{publisher}/press{}/temperature", attempt % 12),
        payload: payload.into_bytes(),
    }
}
