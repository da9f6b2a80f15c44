//! A hub that is away for long finds everything at the gateway when it comes back, and open screens recover.

use std::time::Duration;

use penstock_tests::chance::soaking;
use penstock_tests::device::Sensors;
use penstock_tests::eventually::eventually_within;
use penstock_tests::live::Live;
use penstock_tests::recount::everything_holds_within;
use penstock_tests::world::{AGENT, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_after_an_absence_and_the_screen_recovers() {
    let away = Duration::from_secs(if soaking() { 600 } else { 15 });
    let patience = away.max(Duration::from_secs(60));
    let mut world = World::with().hub("[processor]\nlease_seconds = 3").start().await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 20, 1000.0);
    tokio::time::sleep(Duration::from_secs(2)).await;

    world.hub.process.kill();
    tokio::time::sleep(away).await;
    assert!(sensors.acknowledged() > 900 * away.as_secs(), "the gateway took {} in", sensors.acknowledged());
    world.hub.restart().await;

    tokio::time::sleep(Duration::from_secs(2)).await;
    let records = sensors.stop().await;
    let verdict = everything_holds_within(patience, &world, &records).await;
    println!("{verdict:?}");

    let mut screen = Live::connect(&world.hub.url()).await.unwrap();
    screen.subscribe("load:day").await.unwrap();
    eventually_within(patience, "the screen shows everything", async || {
        screen.next(Duration::from_millis(100)).await?;
        let count = screen.count("load:day");
        if count == verdict.stored { Ok(()) } else { Err(format!("it counts {count} of {}", verdict.stored)) }
    })
    .await;
}
