//! What is published moves an open screen, and nothing that a client says disturbs the others.

use std::time::{Duration, Instant};

use penstock_tests::device::{Pace, Sensor, Sensors};
use penstock_tests::eventually::eventually;
use penstock_tests::live::{Heard, Live};
use penstock_tests::world::{AGENT, World};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_comes_first_and_updates_follow_for_type_and_source() {
    let world = World::start().await;
    publish(&world, "early", 10).await;
    let mut screen = Live::connect(&world.hub.url()).await.unwrap();
    eventually("the snapshot has what was published before", async || {
        screen.subscribe("load:minute").await?;
        let message = screen.next(SOON).await?;
        screen.watch(Duration::from_millis(100)).await?;
        match message {
            Some(Heard::Snapshot { .. } | Heard::MetricUpdate { .. })
                if screen.count("load:minute") == 10 =>
            {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    screen.subscribe(&format!("load@{AGENT}/late:minute")).await.unwrap();
    publish(&world, "late", 25).await;
    counts(&mut screen, "load:minute", 35).await;
    counts(&mut screen, &format!("load@{AGENT}/late:minute"), 25).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_value_reaches_a_screen_within_a_second() {
    let world = World::start().await;
    publish(&world, "warm", 1).await;
    let mut screen = Live::connect(&world.hub.url()).await.unwrap();
    screen.subscribe("load:minute").await.unwrap();
    counts(&mut screen, "load:minute", 1).await;
    let published = Instant::now();
    publish(&world, "one", 1).await;
    counts(&mut screen, "load:minute", 2).await;
    let took = published.elapsed();
    assert!(took < Duration::from_secs(1), "it took {} ms", took.as_millis());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_readings_are_pushed_as_events() {
    let world = World::start().await;
    let mut screen = Live::connect(&world.hub.url()).await.unwrap();
    screen.subscribe("events:load").await.unwrap();
    screen.next(SOON).await.unwrap();
    publish(&world, "door", 1).await;
    let event = eventually("the event comes", async || match screen.next(SOON).await? {
        Some(Heard::Event { event, .. }) => Ok(event),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!((&event["source"], &event["value"]), (&format!("{AGENT}/door").into(), &1.0.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_gets_an_error_and_the_connection_stays() {
    let world = World::start().await;
    let mut screen = Live::connect(&world.hub.url()).await.unwrap();
    for nonsense in ["{", "[]", r#"{"type":"subscribe","channel":"load:second"}"#, r#"{"type":"dance"}"#] {
        screen.say(nonsense).await.unwrap();
        let answer = screen.next(SOON).await.unwrap();
        assert!(matches!(answer, Some(Heard::Error { .. })), "{nonsense}: {answer:?}");
    }
    screen.subscribe("load:minute").await.unwrap();
    assert!(matches!(screen.next(SOON).await, Ok(Some(Heard::Snapshot { .. }))));
}

async fn publish(world: &World, device: &str, readings: u64) {
    let sensor = Sensor::new(device, Pace::Unlimited).limited_to(readings);
    Sensors::start_each(world.agent.listener(), AGENT, [sensor]).finish().await;
}

async fn counts(screen: &mut Live, channel: &str, expected: u64) {
    eventually("the screen shows what was published", async || {
        screen.next(Duration::from_millis(100)).await?;
        let count = screen.count(channel);
        if count == expected { Ok(()) } else { Err(format!("{channel} counts {count} of {expected}")) }
    })
    .await;
}
