//! A disk that keeps a source waiting.

use std::time::Duration;

use super::world::World;
use crate::config::SerialSettings;

#[tokio::test]
async fn a_line_is_read_on_while_the_disk_is_waited_for_and_its_readings_keep_their_order_and_times() {
    let world = World::start(SerialSettings::default());
    let mut instrument = world.plug().await;
    world.hold(true);
    for number in 0..2000 {
        instrument.say(format!("{number}\n").as_bytes()).await;
        if number % 500 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    world.hold(false);
    world.until(|counts| counts.frames == 2000).await;
    let (committed, _) = world.stop().await;
    assert_eq!(committed.numbers(), (0..2000).map(f64::from).collect::<Vec<_>>());
    let times: Vec<_> = committed.readings.iter().map(|reading| reading.time).collect();
    assert!(times.is_sorted());
}
