//! A buffer whose snapshots were torn by a crash heals itself when it is opened.

#![expect(clippy::unwrap_used, reason = "what a test's helpers cannot do, the test cannot either")]

use std::fs;
use std::path::{Path, PathBuf};

use penstock_tests::device::{Pace, Sensor, Sensors};
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, Fault, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torn_snapshots_cost_no_reading() {
    let mut world = World::start().await;
    world.link.set(Fault::Cut);
    let sensor = |name: &str| Sensor::new(name, Pace::Unlimited).limited_to(5000);
    let before = Sensors::start_each(world.agent.listener(), AGENT, [sensor("before")]).finish().await;
    world.agent.process.kill();

    let databases = directories_with_a_database(world.agent.buffer());
    assert!(!databases.is_empty(), "no sled database below {}", world.agent.buffer().display());
    for directory in &databases {
        tear_snapshots(directory);
    }
    world.agent.restart().await;
    let after = Sensors::start_each(world.agent.listener(), AGENT, [sensor("after")]).finish().await;
    world.link.set(Fault::None);
    let records: Vec<_> = before.into_iter().chain(after).collect();
    assert_eq!(everything_holds(&world, &records).await.stored, 10_000);
}

/// Leaves what a crash in the middle of writing a snapshot leaves: a half-written new one, and the old ones cut short.
fn tear_snapshots(directory: &Path) {
    fs::write(directory.join("snap.0000000000001000.generating"), [0xA5; 777]).unwrap();
    fs::write(directory.join("snap.0000000000002000"), [0x5A; 333]).unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("snap.") && !name.ends_with(".generating") {
            let half = fs::metadata(&path).unwrap().len() / 2;
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(half).unwrap();
        }
    }
}

fn directories_with_a_database(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        if directory.join("db").is_file() {
            found.push(directory.clone());
        }
        let children = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        open.extend(children.filter(|path| path.is_dir()));
    }
    found
}
