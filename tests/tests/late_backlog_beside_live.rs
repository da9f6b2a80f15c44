//! Late readings correct the past while live ones go on: minutes, hours and days equal a recount.

use std::time::Duration;

use penstock_tests::device::{Pace, Sensor, Sensors};
use penstock_tests::eventually::eventually;
use penstock_tests::live::Live;
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, World};

const HOUR_MICROS: i64 = 3_600_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_old_and_a_day_old_backlog_are_counted_beside_live_data() {
    let world = World::start().await;
    let live = Pace::PerSecond(50.0);
    let now = (0..10).map(|number| Sensor::new(&format!("live{number}"), live));
    let hour = (0..5).map(|number| Sensor::new(&format!("hour{number}"), live).behind(HOUR_MICROS));
    let day = (0..5).map(|number| Sensor::new(&format!("day{number}"), live).behind(25 * HOUR_MICROS));
    let sensors = Sensors::start_each(world.agent.listener(), AGENT, now.chain(hour).chain(day));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let records = sensors.stop().await;
    let verdict = everything_holds(&world, &records).await;
    println!("{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_reading_changes_its_closed_bucket_on_a_screen_that_is_open() {
    let world = World::start().await;
    let publish = async |behind: i64, readings: u64| {
        let sensor = Sensor::new(&format!("s{behind}"), Pace::Unlimited).behind(behind).limited_to(readings);
        Sensors::start_each(world.agent.listener(), AGENT, [sensor]).finish().await.remove(0)
    };
    let mut records = vec![publish(HOUR_MICROS / 2, 10).await];
    everything_holds(&world, &records).await;
    let mut screen = Live::connect(&world.hub.url()).await.unwrap();
    screen.subscribe("load:minute").await.unwrap();
    screen.watch(Duration::from_millis(500)).await.unwrap();
    assert_eq!(screen.count("load:minute"), 10);

    records.push(publish(HOUR_MICROS / 2 + 1, 5).await);
    eventually("the late readings reach the screen", async || {
        screen.next(Duration::from_millis(100)).await?;
        let count = screen.count("load:minute");
        if count == 15 { Ok(()) } else { Err(format!("it counts {count}")) }
    })
    .await;
    everything_holds(&world, &records).await;
}
