//! What an agent acknowledged survives its kill -9.

use penstock_tests::chance::{Chance, rounds};
use penstock_tests::device::{Pace, Sensor, Sensors};
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, Fault, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_and_double_nothing() {
    let mut chance = Chance::seeded();
    let mut world = World::start().await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 20, 2000.0);
    for _ in 0..rounds(6) {
        tokio::time::sleep(chance.millis(200..1500)).await;
        world.agent.process.kill();
        world.agent.restart().await;
    }
    tokio::time::sleep(chance.millis(200..1500)).await;
    let records = sensors.stop().await;
    let verdict = everything_holds(&world, &records).await;
    println!("{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_the_last_acknowledgement_loses_none_of_a_thousand() {
    for _ in 0..rounds(3) {
        let mut world = World::start().await;
        // Nothing may have left the gateway: only its disk can know the readings.
        world.link.set(Fault::Cut);
        let sensor = Sensor::new("mosquitto_pub", Pace::Unlimited).limited_to(1000);
        let records = Sensors::start_each(world.agent.listener(), AGENT, [sensor]).finish().await;
        world.agent.process.kill();
        world.agent.restart().await;
        world.link.set(Fault::None);
        assert_eq!(everything_holds(&world, &records).await.stored, 1000);
    }
}
