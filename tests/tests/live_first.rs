//! After an outage the newest readings are on the screen at once, and the backlog follows beside them, complete.

use std::time::{Duration, Instant};

use penstock_tests::chance::{Chance, rounds, soaking};
use penstock_tests::device::{Pace, Sensor, Sensors};
use penstock_tests::eventually::eventually_within;
use penstock_tests::live::Live;
use penstock_tests::recount::everything_holds_within;
use penstock_tests::world::{AGENT, Fault, World};

/// Slow enough that the backlog is there for a while.
const SLOW_BACKLOG: &str = "[processor]\nlease_seconds = 3\n[ingest]\nbacklog_readings_per_second = 3000";

/// How long the hub is away: `PENSTOCK_AWAY_SECONDS`, else 10 minutes when soaking.
fn away() -> Duration {
    let asked = std::env::var("PENSTOCK_AWAY_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(if soaking() { 600 } else { 40 }))
}

fn buffered(world: &World) -> u64 {
    world.agent.counts().map_or(0, |counts| counts.buffered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_outage_the_newest_reading_is_on_the_screen_before_the_backlog() {
    // A long one drains at the rate that a hub grants by itself.
    let settings = if away() < Duration::from_secs(600) { SLOW_BACKLOG } else { "" };
    let world = World::with().hub(settings).start().await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 10, 1000.0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.link.set(Fault::Cut);
    tokio::time::sleep(away()).await;
    let probe = Sensor::new("probe", Pace::PerSecond(20.0)).of_type("pressure");
    let probe = Sensors::start_each(world.agent.listener(), AGENT, [probe]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Not before: a screen that does not answer for so long is closed.
    let mut screen = Live::connect(&world.hub.url()).await.unwrap();
    screen.subscribe("pressure:minute").await.unwrap();
    world.link.set(Fault::None);

    let returned = Instant::now();
    eventually_within(Duration::from_secs(30), "the newest reading is on the screen", async || {
        screen.next(Duration::from_millis(50)).await?;
        if screen.count("pressure:minute") > 0 { Ok(()) } else { Err("nothing of it".to_owned()) }
    })
    .await;
    println!("newest reading on the screen {:?} after the link returned", returned.elapsed());
    // The status is up to two seconds old, and the backlog takes far longer.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waiting = buffered(&world);
    println!("{waiting} readings waited then");
    assert!(
        waiting > 10_000,
        "the backlog was gone before, so nothing overtook it: {waiting} readings waited"
    );

    let mut records = sensors.stop().await;
    records.extend(probe.stop().await);
    let verdict = everything_holds_within(away() + Duration::from_secs(60), &world, &records).await;
    println!("{verdict:?}, the backlog complete after {:?}", returned.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_and_further_outages_while_a_backlog_is_overtaken_lose_and_double_nothing() {
    let mut chance = Chance::seeded();
    let mut world = World::with().hub(SLOW_BACKLOG).start().await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 10, 1000.0);
    world.link.set(Fault::Cut);
    tokio::time::sleep(Duration::from_secs(30)).await;
    for _ in 0..rounds(3) {
        world.link.set(Fault::None);
        tokio::time::sleep(chance.millis(500..5_000)).await;
        match chance.number(0..3) {
            0 => {
                world.agent.process.kill();
                world.agent.restart().await;
            }
            1 => {
                world.hub.process.kill();
                world.hub.restart().await;
            }
            _ => {
                // Long enough that what waits in the express lane is overtaken in its turn.
                world.link.set(Fault::Cut);
                tokio::time::sleep(Duration::from_secs(18)).await;
            }
        }
    }
    world.link.set(Fault::None);
    let records = sensors.stop().await;
    let verdict = everything_holds_within(Duration::from_secs(150), &world, &records).await;
    println!("{verdict:?}");
}
