//! A backlog that waits long is packed to a fraction of its size while more comes in, through kills, and arrives whole.

use std::fs;
use std::path::Path;
use std::time::Duration;

use penstock_tests::chance::{Chance, rounds};
use penstock_tests::device::Sensors;
use penstock_tests::eventually::eventually_within;
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, Fault, World};

const SETTINGS: &str = "[buffer]\nsegment_bytes = \"1 MiB\"\nfreeze_after_seconds = 1";
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_that_waits_is_packed_and_arrives_whole_through_kills() {
    let mut chance = Chance::seeded();
    let mut world = World::with().agent(SETTINGS).start().await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 10, 4000.0);
    world.link.set(Fault::Cut);
    for round in 1..=rounds(3) {
        let before = frozen(&world).len();
        eventually_within(PATIENCE, "another segment is frozen", async || match frozen(&world).len() {
            now if now > before => Ok(()),
            now => Err(format!("{now} are")),
        })
        .await;
        tokio::time::sleep(chance.millis(0..1_000)).await;
        world.agent.process.kill();
        println!("killed {round} times, with {} segments frozen", frozen(&world).len());
        world.agent.restart().await;
    }
    let sizes = frozen(&world);
    let mean = sizes.iter().sum::<u64>() / sizes.len() as u64;
    println!("{} frozen segments of about {mean} bytes, 1 MiB before", sizes.len());
    assert!(mean < (1 << 20) / 3, "a frozen segment takes {mean} bytes");
    world.link.set(Fault::None);
    let records = sensors.stop().await;
    let verdict = everything_holds(&world, &records).await;
    println!("{verdict:?}");
    assert!(frozen(&world).is_empty(), "what the hub has is off the disk");
}

/// Returns the sizes of the segments that are frozen.
fn frozen(world: &World) -> Vec<u64> {
    let Ok(segments) = fs::read_dir(world.agent.buffer().join("segments")) else { return Vec::new() };
    let size = |segment: &Path| fs::metadata(segment.join("frames")).map(|metadata| metadata.len()).ok();
    segments.flatten().filter_map(|segment| size(&segment.path())).collect()
}
