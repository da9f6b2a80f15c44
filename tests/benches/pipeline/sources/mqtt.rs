//! MQTT, in every dialect, each message acknowledged when its readings are on disk.

use std::sync::Arc;

use penstock_tests::device::{Message, Pace, Progress, Publisher};
use tokio::task::JoinHandle;

use super::messages::{SPARKPLUG, SPEECHES, Speech};
use super::{Intake, WARM_UP, add, start};
use crate::sink::Sink;
use crate::table::Table;

const PUBLISHERS: usize = 4;
const IN_FLIGHT: usize = 100;
/// What all else is compared with is the best of several.
const TURNS: usize = 3;
const NO_DIALECTS: &str = "[decode]\ndialects = []\n";

/// Measures each dialect and returns what bare numbers cost.
pub(super) async fn measure(table: &mut Table) -> Intake {
    let (mut plain, mut without) = (intake(&SPEECHES[0], "").await, intake(&SPEECHES[0], NO_DIALECTS).await);
    for _ in 1..TURNS {
        plain = plain.cheaper(intake(&SPEECHES[0], "").await);
        without = without.cheaper(intake(&SPEECHES[0], NO_DIALECTS).await);
    }
    add(table, "MQTT, bare number", plain, plain);
    add(table, "MQTT, bare number, without dialects", without, plain);
    for speech in SPEECHES.iter().chain([&SPARKPLUG]).skip(1) {
        add(table, &format!("MQTT, {}", speech.name), intake(speech, "").await, plain);
    }
    plain
}

async fn intake(speech: &Speech, settings: &str) -> Intake {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sink = Sink::start().await;
    let agent = start(directory.path(), &sink, settings).await;
    let publishers: Vec<_> = (0..PUBLISHERS).map(|device| publish(&agent, *speech, device)).collect();
    tokio::time::sleep(WARM_UP).await;
    let before = sink.readings();
    let acknowledged = || publishers.iter().map(|(progress, _)| progress.acknowledged()).sum::<u64>();
    let messages = Intake::watch(&agent, acknowledged).await;
    assert!(sink.readings() > before, "{} brought no readings", speech.name);
    for (progress, _) in &publishers {
        progress.stop();
    }
    for (_, task) in publishers {
        task.await.expect("a publisher does not panic");
    }
    let counts = agent.counts().expect("the agent keeps its books");
    assert_eq!(counts.dead_lettered, 0, "{} was not understood", speech.name);
    Intake { readings: messages.readings * readings_of(speech), ..messages }
}

/// Five values a message, except where it says so.
fn readings_of(speech: &Speech) -> u64 {
    if speech.name == SPEECHES[0].name || speech.name == SPEECHES[1].name { 1 } else { 5 }
}

fn publish(
    agent: &penstock_tests::world::Agent,
    speech: Speech,
    device: usize,
) -> (Arc<Progress>, JoinHandle<()>) {
    let publisher = Publisher {
        address: agent.listener(),
        client: format!("bench{device}"),
        window: IN_FLIGHT,
        pace: Pace::Unlimited,
        next: move |number| -> Option<Message> { Some((speech.next)(device, number)) },
        acknowledged: |_| {},
    };
    let progress = Arc::new(Progress::default());
    (Arc::clone(&progress), tokio::spawn(publisher.run(progress)))
}
