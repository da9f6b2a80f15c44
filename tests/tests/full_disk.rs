//! A full disk makes the agent refuse, not lose; it takes readings again when there is room.

#![expect(clippy::unwrap_used, reason = "what a test's helpers cannot do, the test cannot either")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use nix::mount::{MsFlags, mount, umount};
use penstock_tests::device::Sensors;
use penstock_tests::eventually::eventually_within;
use penstock_tests::recount::everything_holds;
use penstock_tests::skip;
use penstock_tests::world::{AGENT, Fault, World};

/// Room for a buffer of a few segments, and little more.
const DISK: &str = "size=24m";
const SETTINGS: &str =
    "[buffer]\nquota_bytes = \"16 MiB\"\nsegment_bytes = \"2 MiB\"\nmin_free_bytes = \"2 MiB\"";
const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_acknowledged_before_a_disk_filled_up_are_all_there() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut world = World::with().buffer(&disk.path().join("buffer")).agent(SETTINGS).start().await;
    world.link.set(Fault::Cut);
    let sensors = Sensors::start(world.agent.listener(), AGENT, 10, 1000.0);
    tokio::time::sleep(Duration::from_secs(1)).await;

    disk.fill();
    eventually_within(PATIENCE, "acknowledgements stop on a full disk", async || {
        let before = sensors.acknowledged();
        tokio::time::sleep(Duration::from_secs(1)).await;
        supervise(&mut world);
        if sensors.acknowledged() == before { Ok(()) } else { Err("they go on".to_owned()) }
    })
    .await;

    disk.free();
    let refused = sensors.acknowledged();
    eventually_within(PATIENCE, "acknowledgements come again", async || {
        supervise(&mut world);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = sensors.acknowledged();
        if now > refused + 100 { Ok(()) } else { Err(format!("{now} after {refused}")) }
    })
    .await;
    let records = sensors.stop().await;
    world.link.set(Fault::None);
    let verdict = everything_holds(&world, &records).await;
    println!("{verdict:?}");
    drop(world);
}

/// Starts an agent again that gave up, as systemd would.
fn supervise(world: &mut World) {
    if let Some(status) = world.agent.process.exit_status() {
        println!("the agent ended with {status}");
        world.agent.process.kill();
        world.agent.restart_unattended();
    }
}

struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        match mount(Some("tmpfs"), directory.path(), Some("tmpfs"), MsFlags::empty(), Some(DISK)) {
            Ok(()) => Some(Self(directory)),
            Err(fault) => {
                skip::without_mount(&format!("no tmpfs can be mounted here: {fault}"));
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until nothing fits any more, to the last byte.
    fn fill(&self) {
        let mut ballast = File::create(self.path().join("ballast")).unwrap();
        for size in [64 * 1024, 4096, 1] {
            let block = vec![0; size];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(fault) = umount(self.path()) {
            eprintln!("{} stays mounted: {fault}", self.path().display());
        }
    }
}
