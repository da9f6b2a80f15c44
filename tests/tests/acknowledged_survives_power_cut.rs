//! What an agent acknowledged survives a power cut that takes back everything that was not synced.

use penstock_tests::chance::{Chance, rounds};
use penstock_tests::device::{Pace, Sensor, Sensors};
use penstock_tests::power::Disk;
use penstock_tests::recount::everything_holds;
use penstock_tests::skip;
use penstock_tests::world::{AGENT, Fault, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_at_random_moments_lose_and_double_nothing() {
    let Some(mut disk) = disk() else { return };
    let mut chance = Chance::seeded();
    let mut world = World::with().buffer(&disk.path().join("buffer")).start().await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 10, 1000.0);
    for round in 0..rounds(6) {
        // In every other round nothing leaves the gateway, so that only its disk can know the readings.
        world.link.set(if round % 2 == 0 { Fault::Cut } else { Fault::None });
        tokio::time::sleep(chance.millis(200..1500)).await;
        world.agent.process.kill();
        disk.cut_power().unwrap();
        world.agent.restart().await;
    }
    let records = sensors.stop().await;
    world.link.set(Fault::None);
    let verdict = everything_holds(&world, &records).await;
    println!("{verdict:?}");
    // The world must end before the disk that it stands on.
    drop(world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_at_the_last_acknowledgement_loses_none_of_a_thousand() {
    for _ in 0..rounds(3) {
        let Some(mut disk) = disk() else { return };
        let mut world = World::with().buffer(&disk.path().join("buffer")).start().await;
        world.link.set(Fault::Cut);
        let sensor = Sensor::new("mosquitto_pub", Pace::Unlimited).limited_to(1000);
        let records = Sensors::start_each(world.agent.listener(), AGENT, [sensor]).finish().await;
        world.agent.process.kill();
        disk.cut_power().unwrap();
        world.agent.restart().await;
        world.link.set(Fault::None);
        assert_eq!(everything_holds(&world, &records).await.stored, 1000);
        drop(world);
    }
}

fn disk() -> Option<Disk> {
    Disk::mount().map_err(|fault| skip::without_mount(&fault)).ok()
}
