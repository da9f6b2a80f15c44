//! The agent takes new configurations while devices publish, and refuses bad ones: nothing is lost, nothing is doubled,
//! the buffer stays open.

use penstock_tests::chance::{Chance, rounds};
use penstock_tests::device::Sensors;
use penstock_tests::eventually::eventually;
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, World};

/// What is changed, and whether it can be.
const CHANGES: [(&str, bool); 6] = [
    ("[forward]\nbatch_readings = 50", true),
    ("[mqtt_listener]\nmax_inflight = 50", true),
    ("[buffer]\npolicy = \"pray\"", false),
    ("[[series]]\ntype = \"load\"\nmax = 1e9\n[mqtt_listener]\nmax_inflight = 70", true),
    ("[agent]\nid = \"another\"", false),
    ("[forward]\nlinger_ms = 10\n[decode]\ndialects = []", true),
];
const TAKEN: &str = "configuration taken";
const REFUSED: &str = "configuration refused, the old one goes on";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_lose_nothing_and_double_nothing() {
    let mut chance = Chance::seeded();
    let mut world = World::start().await;
    let process = world.agent.process.id();
    let epoch = world.agent.status().expect("a status")["epoch"].clone();
    let sensors = Sensors::start(world.agent.listener(), AGENT, 3, 600.0);

    let (mut taken, mut refused) = (0, 0);
    for round in 0..rounds(CHANGES.len() * 2) {
        tokio::time::sleep(chance.millis(50..500)).await;
        let (added, is_good) = CHANGES[round % CHANGES.len()];
        world.agent.set_added(added);
        world.agent.reload();
        taken += usize::from(is_good);
        refused += usize::from(!is_good);
        eventually(&format!("the agent says what came of {added:?}"), async || {
            let log = world.agent.process.log();
            let said = (log.matches(TAKEN).count(), log.matches(REFUSED).count());
            if said == (taken, refused) { Ok(()) } else { Err(format!("{said:?} taken and refused")) }
        })
        .await;
        let before = sensors.acknowledged();
        eventually("devices are acknowledged again", async || {
            if sensors.acknowledged() > before { Ok(()) } else { Err(format!("{before} are")) }
        })
        .await;
    }

    let records = sensors.stop().await;
    let verdict = everything_holds(&world, &records).await;
    println!("{taken} configurations taken, {refused} refused: {verdict:?}");
    assert_eq!(world.agent.process.id(), process);
    assert_eq!(world.agent.status().expect("a status")["epoch"], epoch);
}
