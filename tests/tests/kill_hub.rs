//! A hub that is killed at any moment loses nothing and counts nothing twice.

use penstock_tests::chance::{Chance, rounds};
use penstock_tests::device::Sensors;
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, World};

/// A short lease: the successor of a killed hub is itself, and waits for the lease of its former life.
const SETTINGS: &str = "[processor]\nlease_seconds = 3";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_and_double_nothing() {
    let mut chance = Chance::seeded();
    let mut world = World::with().hub(SETTINGS).start().await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 20, 2000.0);
    for _ in 0..rounds(5) {
        // Beyond the lease, so that kills fall into processing and not only into waiting for it.
        tokio::time::sleep(chance.millis(200..6000)).await;
        world.hub.process.kill();
        world.hub.restart().await;
    }
    tokio::time::sleep(chance.millis(200..1500)).await;
    let records = sensors.stop().await;
    let verdict = everything_holds(&world, &records).await;
    println!("{verdict:?}");
}
