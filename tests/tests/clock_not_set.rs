//! A gateway whose clock is not set keeps what arrives, through a kill too, and sends it with the right times later.

use std::sync::Arc;

use penstock_shared::reading::TimestampMicros;
use penstock_tests::device::{Message, Pace, Progress, Publisher};
use penstock_tests::eventually::eventually;
use penstock_tests::recount::stored_readings;
use penstock_tests::world::{Agent, World};

const MESSAGES: u64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_wait_for_the_clock_and_get_the_time_of_their_arrival() {
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let synchronized = elsewhere.path().join("synchronized");
    let mut world = World::with()
        .agent(&format!("[clock]\nset_file = {synchronized:?}\nwait_minutes = 5256000"))
        .start()
        .await;

    let mut spans = Vec::new();
    for round in 0..2 {
        let began = TimestampMicros::now();
        assert_eq!(publish(&world.agent, round * MESSAGES).await, MESSAGES);
        spans.push(began..=TimestampMicros::now());
        eventually("the status says what is waited for", async || {
            let status = world.agent.status()?;
            let held = status["counts"]["buffered"].as_u64() == Some((round + 1) * MESSAGES);
            if held && status["clockSet"] == false { Ok(()) } else { Err(format!("{status}")) }
        })
        .await;
        world.agent.process.kill();
        world.agent.restart().await;
    }
    let database = world.mongod.database();
    assert_eq!(stored_readings(&database).await.map(|readings| readings.len()), Ok(0));

    std::fs::write(&synchronized, "").expect("a file");
    eventually("everything arrives", async || {
        let stored = stored_readings(&database).await?.len() as u64;
        if stored == 2 * MESSAGES { Ok(()) } else { Err(format!("{stored} stored")) }
    })
    .await;
    for reading in stored_readings(&database).await.expect("the store can be read") {
        let number = reading.value.expect("a number") as u64;
        let span = &spans[usize::try_from(number / MESSAGES).expect("small")];
        assert!(span.contains(&reading.time), "{number} at {:?}, published in {span:?}", reading.time);
    }
    let counts = world.agent.counts().expect("a status");
    assert!(counts.is_balanced(), "{counts:?}");
}

/// Publishes numbers from `first` on without a time of their own, and returns how many were acknowledged.
async fn publish(agent: &Agent, first: u64) -> u64 {
    let publisher = Publisher {
        address: agent.listener(),
        client: "plain".into(),
        window: 20,
        pace: Pace::Unlimited,
        next: move |attempt: u64| {
            let payload = (first + attempt - 1).to_string().into_bytes();
            (attempt <= MESSAGES).then(|| Message { topic: "press4/temperature".into(), payload })
        },
        acknowledged: |_| {},
    };
    let progress = Arc::new(Progress::default());
    publisher.run(Arc::clone(&progress)).await;
    progress.acknowledged()
}
