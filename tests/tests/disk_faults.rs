//! A disk that is full, fails or is read-only under a running agent: it acknowledges nothing that the disk has not, says
//! what is wrong and since when, and goes on by itself when it is over.

use std::time::{Duration, Instant};

use penstock_tests::device::Sensors;
use penstock_tests::eventually::{PATIENCE, eventually};
use penstock_tests::power::{Disk, DiskFault};
use penstock_tests::recount::everything_holds;
use penstock_tests::skip;
use penstock_tests::world::{AGENT, Fault, World};

/// Each with what the status says of it.
const FAULTS: [(DiskFault, &str); 4] = [
    (DiskFault::Full, "bytes free on the disk"),
    (DiskFault::WriteFails, "Input/output error"),
    (DiskFault::SyncFails, "Input/output error"),
    (DiskFault::ReadOnly, "Read-only file system"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_for_a_while_costs_no_reading_and_no_restart() {
    let Some(mut disk) = disk() else { return };
    disk.tear_writes(1);
    let mut world = World::with().buffer(&disk.path().join("buffer")).start().await;
    // Nothing leaves the gateway, so that only its disk can know the readings.
    world.link.set(Fault::Cut);
    let sensors = Sensors::start(world.agent.listener(), AGENT, 10, 500.0);
    for (fault, words) in FAULTS {
        acknowledged_beyond(&sensors, sensors.acknowledged()).await;
        disk.set_fault(fault);
        eventually(&format!("status tells of {fault:?}"), async || {
            let told = world.agent.status()?["faults"].to_string();
            if told.contains(words) && told.contains("since 20") { Ok(()) } else { Err(told) }
        })
        .await;
        let refused = sensors.acknowledged();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(sensors.acknowledged(), refused, "acknowledged while {fault:?}");
        disk.set_fault(DiskFault::None);
        let ended = Instant::now();
        acknowledged_beyond(&sensors, refused).await;
        println!("{fault:?}: acknowledged again after {} ms", ended.elapsed().as_millis());
        assert_eq!(world.agent.process.exit_status(), None, "the agent goes on through {fault:?}");
        eventually("the fault is told no more", async || {
            let told = world.agent.status()?["faults"].to_string();
            if told.contains(words) { Err(told) } else { Ok(()) }
        })
        .await;
    }
    let records = sensors.stop().await;
    world.agent.process.kill();
    disk.cut_power().unwrap();
    world.agent.restart().await;
    world.link.set(Fault::None);
    println!("{:?}", everything_holds(&world, &records).await);
    // The world must end before the disk that it stands on.
    drop(world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_starts_on_a_read_only_disk_waits_for_it() {
    let Some(disk) = disk() else { return };
    let mut world = World::with().buffer(&disk.path().join("buffer")).start().await;
    world.agent.process.kill();
    disk.set_fault(DiskFault::ReadOnly);
    world.agent.restart_unattended();
    let told = world.agent.process.line("penstock-agent waits for its disk: ").await;
    assert!(told.contains("Read-only file system"), "{told}");
    disk.set_fault(DiskFault::None);
    let ended = Instant::now();
    world.agent.process.line("penstock-agent ready").await;
    println!("ready after {} ms", ended.elapsed().as_millis());
    drop(world);
}

async fn acknowledged_beyond(sensors: &Sensors, before: u64) {
    eventually(&format!("acknowledgements come again within {PATIENCE:?}"), async || {
        match sensors.acknowledged() {
            now if now > before => Ok(()),
            now => Err(format!("{now}")),
        }
    })
    .await;
}

fn disk() -> Option<Disk> {
    Disk::mount().map_err(|fault| skip::without_mount(&fault)).ok()
}
