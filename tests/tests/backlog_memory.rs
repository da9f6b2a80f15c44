//! The agent's memory does not grow with its backlog, and its disk is given back after the drain.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{Document, doc};
use penstock_tests::chance::soaking;
use penstock_tests::device::{Message, Pace, Progress, Publisher};
use penstock_tests::eventually::eventually_within;
use penstock_tests::recount::drained;
use penstock_tests::world::{Fault, World};
use rand::Rng;

const TEXT_BYTES: usize = 16 * 1024;
const MEGABYTE: u64 = 1024 * 1024;
/// Of a debug build, which takes more than the packaged one.
const MEMORY_LIMIT: u64 = 64 * MEGABYTE;
const SETTINGS: &str = "[buffer]\nquota_bytes = \"2 GiB\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_kept_in_bounded_memory_and_drained_off_the_disk() {
    let asked = std::env::var("PENSTOCK_BACKLOG_MB").ok().and_then(|text| text.parse().ok());
    let backlog = asked.unwrap_or(if soaking() { 1024 } else { 128 }) * MEGABYTE;
    let readings = backlog / TEXT_BYTES as u64;
    let patience = Duration::from_secs(if soaking() { 900 } else { 100 });
    let world = World::with().agent(SETTINGS).start().await;
    world.link.set(Fault::Cut);
    publish_texts(&world, readings).await;
    let full = disk_bytes(world.agent.buffer());
    eventually_within(patience, "all of it waits", async || {
        let waiting = world.agent.counts()?.buffered;
        if waiting == readings { Ok(()) } else { Err(format!("{waiting} of {readings}")) }
    })
    .await;
    println!(
        "backlog {} MB: {} MB resident",
        full / MEGABYTE,
        world.agent.process.resident_bytes() / MEGABYTE
    );

    world.link.set(Fault::None);
    eventually_within(patience, "the backlog drains", async || drained(&world.agent)).await;
    let events = world.mongod.database().collection::<Document>("events_ts");
    eventually_within(patience, "everything is stored", async || {
        let stored = events.count_documents(doc! {}).await.map_err(|fault| fault.to_string())?;
        if stored == readings { Ok(()) } else { Err(format!("{stored} of {readings}")) }
    })
    .await;
    let peak = world.agent.process.peak_resident_bytes();
    assert!(peak <= MEMORY_LIMIT, "the agent took {} MB", peak / MEGABYTE);
    eventually_within(Duration::from_secs(20), "the disk is given back", async || {
        let left = disk_bytes(world.agent.buffer());
        if left < full / 2 { Ok(()) } else { Err(format!("{left} bytes of {full} are left")) }
    })
    .await;
    println!(
        "drained: peak {} MB, {} MB left on disk",
        peak / MEGABYTE,
        disk_bytes(world.agent.buffer()) / MEGABYTE
    );
}

/// Publishes texts that no compression makes smaller than half.
async fn publish_texts(world: &World, readings: u64) {
    let next = move |attempt: u64| {
        let text: String =
            (0..TEXT_BYTES / 8).map(|_| format!("{:08x}", rand::rng().random::<u32>())).collect();
        let payload = format!("{{\"value\":\"{text}\"}}").into_bytes();
        (attempt <= readings).then(|| Message { topic: "camera/frame".into(), payload })
    };
    let publisher = Publisher {
        address: world.agent.listener(),
        client: "camera".into(),
        window: 20,
        pace: Pace::Unlimited,
        next,
        acknowledged: |_| {},
    };
    let progress = Arc::new(Progress::default());
    publisher.run(Arc::clone(&progress)).await;
    assert_eq!(progress.acknowledged(), readings);
}

fn disk_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    // Files come and go while we look: what is gone counts nothing.
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
