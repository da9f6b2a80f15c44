//! A MongoDB that is killed at any moment loses nothing, and the hub carries on by itself when it is back.

use penstock_tests::chance::{Chance, rounds};
use penstock_tests::device::Sensors;
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_and_double_nothing() {
    let mut chance = Chance::seeded();
    let mut world = World::with().hub("[processor]\nlease_seconds = 3").start().await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 20, 2000.0);
    for _ in 0..rounds(4) {
        tokio::time::sleep(chance.millis(200..3000)).await;
        world.mongod.process.kill();
        tokio::time::sleep(chance.millis(0..2000)).await;
        world.mongod.restart().await;
        assert_eq!(world.hub.process.exit_status(), None, "the hub ended because its store went away");
    }
    tokio::time::sleep(chance.millis(200..1500)).await;
    let records = sensors.stop().await;
    let verdict = everything_holds(&world, &records).await;
    println!("{verdict:?}");
}
