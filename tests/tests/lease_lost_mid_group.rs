//! A hub that loses its lease in the middle of its work neither loses nor doubles a reading, nor does its successor.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use penstock_tests::chance::{Chance, rounds};
use penstock_tests::device::Sensors;
use penstock_tests::eventually::{eventually, eventually_within};
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, Hub, World};

const SETTINGS: &str = "[processor]\nlease_seconds = 2";
/// A lease, and some patience for a machine that is busy with other things.
const SUCCESSION: Duration = Duration::from_secs(10);
/// Longer than a lease and the successor's next look at it.
const FROZEN: Duration = Duration::from_millis(5000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_leader_wakes_up_to_a_successor_and_harms_nothing() {
    let mut chance = Chance::seeded();
    let world = World::with().hub(SETTINGS).start().await;
    let other = Hub::start(world.directory.path(), "other", &world.mongod.uri(), SETTINGS).await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 20, 2000.0);
    let hubs = [&world.hub, &other];
    let (mut leader, mut successions) = (0, 0);
    for round in 0..rounds(4) {
        tokio::time::sleep(chance.millis(500..2500)).await;
        let before = lease(&world).await.expect("somebody holds the lease");
        hubs[leader].process.freeze();
        tokio::time::sleep(FROZEN).await;
        let after = lease(&world).await.expect("somebody holds the lease");
        hubs[leader].process.thaw();
        println!("round {round}: hub {leader} frozen, lease {before:?} then {after:?}");
        // Holders have random names: whom the lease follows tells who it was.
        if after.1 > before.1 {
            successions += 1;
            leader = 1 - leader;
        }
    }
    assert!(successions > 0, "no leader was succeeded");
    let records = sensors.stop().await;
    let verdict = everything_holds(&world, &records).await;
    println!("{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_leader_is_succeeded_soon_after_its_lease() {
    let mut chance = Chance::seeded();
    for _ in 0..rounds(2) {
        let mut world = World::with().hub(SETTINGS).start().await;
        let sensors = Sensors::start(world.agent.listener(), AGENT, 10, 1000.0);
        let (holder, epoch) = eventually("the first hub holds the lease", async || lease(&world).await).await;
        let other = Hub::start(world.directory.path(), "other", &world.mongod.uri(), SETTINGS).await;
        tokio::time::sleep(chance.millis(500..1500)).await;
        world.hub.process.kill();
        let successor = eventually_within(SUCCESSION, "the other hub takes over", async || {
            let found = lease(&world).await?;
            if found.0 == holder { Err(format!("{found:?}")) } else { Ok(found) }
        })
        .await;
        assert!(successor.1 > epoch, "the fencing epoch must grow: {epoch} then {successor:?}");
        world.hub.restart().await;
        let records = sensors.stop().await;
        let verdict = everything_holds(&world, &records).await;
        println!("{verdict:?}");
        drop(other);
    }
}

/// Returns holder and fencing epoch of the partition that holds the agent's work: with one partition, the only one.
async fn lease(world: &World) -> Result<(String, i64), String> {
    let locks = world.mongod.database().collection::<Document>("locks");
    let found = locks.find_one(doc! { "holder": { "$ne": "" } }).await.map_err(|fault| fault.to_string())?;
    let lease = found.ok_or("nobody holds a lease")?;
    let text = |fault: mongodb::bson::document::ValueAccessError| fault.to_string();
    Ok((lease.get_str("holder").map_err(text)?.to_owned(), lease.get_i64("epoch").map_err(text)?))
}
