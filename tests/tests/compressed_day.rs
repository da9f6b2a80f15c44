//! As many readings as a gateway of a thousand a second takes in a day, in less time, with ten outages among them: all
//! are there once, and memory, files and descriptors stay what they were.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use penstock_tests::chance::soaking;
use penstock_tests::device::{Message, Pace, Progress, Publisher};
use penstock_tests::eventually::eventually_within;
use penstock_tests::recount::{drained, stored_rollups};
use penstock_tests::world::{Fault, World};
use tokio::task::JoinHandle;

const VALUES: u64 = 20;
const DEVICES: u64 = 5;
/// The day has so many parts, each with an outage.
const PARTS: usize = 10;
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Memory at the end may be so many times what it was after the first parts.
const GROWTH: f64 = 1.05;
/// State, status, socket, lock and reserve, and a segment's.
const FILES_OF_AN_EMPTY_BUFFER: usize = 12;
/// These parts fill caches and pools.
const WARM_PARTS: usize = 2;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn readings() -> u64 {
    let readings = asked("PENSTOCK_READINGS").unwrap_or(if soaking() { 100_000_000 } else { 400_000 });
    readings - readings % (VALUES * DEVICES)
}

/// Readings a second of all devices together.
fn rate() -> u64 {
    asked("PENSTOCK_RATE").unwrap_or(40_000)
}

/// What one look at the processes found.
#[derive(Debug, Clone, Copy)]
struct Sample {
    agent_bytes: u64,
    agent_descriptors: usize,
    buffer_files: usize,
    hub_bytes: u64,
    hub_descriptors: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_readings_leaves_memory_files_and_descriptors_as_they_were() {
    let (readings, began) = (readings(), Instant::now());
    let messages = readings / VALUES / DEVICES;
    let world = World::start().await;
    let (progress, publishers): (Vec<_>, Vec<_>) =
        (0..DEVICES).map(|device| publish(&world, device, messages)).unzip();
    let published = || progress.iter().map(|progress| progress.acknowledged()).sum::<u64>() * VALUES;

    let mut parts: Vec<Vec<Sample>> = Vec::new();
    for part in 1..=PARTS as u64 {
        let mut samples = Vec::new();
        let (middle, end) = (readings * (2 * part - 1) / 20, readings * part / 10);
        sample_until(&world, &mut samples, || published() >= middle).await;
        world.link.set(Fault::Cut);
        let back = Instant::now() + Duration::from_secs(if soaking() { 20 } else { 1 });
        sample_until(&world, &mut samples, || Instant::now() >= back).await;
        world.link.set(Fault::None);
        sample_until(&world, &mut samples, || published() >= end).await;
        println!("{} readings after {:?}: {}", published(), began.elapsed(), told(&samples));
        parts.push(samples);
    }
    for publisher in publishers {
        publisher.await.expect("a device does not panic");
    }
    assert_eq!(published(), readings, "a connection was lost, and what was in flight with it");

    let patience = Duration::from_secs(if soaking() { 1800 } else { 60 });
    eventually_within(patience, "the buffer drains", async || drained(&world.agent)).await;
    eventually_within(patience, "every reading is rolled up", async || {
        match stored_rollups(&world.mongod.database()).await?.readings(|_| true) {
            found if found == readings => Ok(()),
            found => Err(format!("{found} of {readings}")),
        }
    })
    .await;
    judge_store(&world, readings).await;
    judge(&parts);
    eventually_within(Duration::from_secs(20), "the buffer's files are gone", async || {
        match files_below(world.agent.buffer()) {
            left if left <= FILES_OF_AN_EMPTY_BUFFER => Ok(()),
            left => Err(format!("{left} are left")),
        }
    })
    .await;
}

/// Every device sends objects of whole numbers, so that their sum is exact.
fn publish(world: &World, device: u64, messages: u64) -> (Arc<Progress>, JoinHandle<()>) {
    let next = move |attempt: u64| {
        let fields: Vec<_> =
            (0..VALUES).map(|field| format!("\"m{field}\":{}", value(device, attempt, field))).collect();
        let payload = format!("{{{}}}", fields.join(",")).into_bytes();
        (attempt <= messages).then(|| Message { topic: format!("hall/device{device}"), payload })
    };
    let publisher = Publisher {
        address: world.agent.listener(),
        client: format!("device{device}"),
        window: 200,
        pace: Pace::PerSecond(rate() as f64 / (VALUES * DEVICES) as f64),
        next,
        acknowledged: |_| {},
    };
    let progress = Arc::new(Progress::default());
    (Arc::clone(&progress), tokio::spawn(publisher.run(progress)))
}

/// Wanders as a sensor's value does.
fn value(device: u64, attempt: u64, field: u64) -> u64 {
    2000 + 100 * device + field + (attempt * (7 + field)) % 61
}

async fn sample_until(world: &World, samples: &mut Vec<Sample>, is_over: impl Fn() -> bool) {
    let mut next = Instant::now();
    while !is_over() {
        if Instant::now() >= next {
            samples.push(Sample {
                agent_bytes: world.agent.process.resident_bytes(),
                agent_descriptors: world.agent.process.open_descriptors(),
                buffer_files: files_below(world.agent.buffer()),
                hub_bytes: world.hub.process.resident_bytes(),
                hub_descriptors: world.hub.process.open_descriptors(),
            });
            next += SAMPLE_EVERY;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Compares the store with what was sent: the number of readings, and the sum of their values.
async fn judge_store(world: &World, readings: u64) {
    let sent =
        |device: u64, attempt: u64| (0..VALUES).map(|field| value(device, attempt, field)).sum::<u64>();
    let messages = readings / VALUES / DEVICES;
    let expected: u64 =
        (0..DEVICES).map(|device| (1..=messages).map(|attempt| sent(device, attempt)).sum::<u64>()).sum();
    let events = world.mongod.database().collection::<Document>("events_ts");
    let sums = doc! { "$group": { "_id": null, "count": { "$sum": 1.0 }, "sum": { "$sum": "$value" } } };
    let mut found = events.aggregate([sums]).await.expect("the store adds up");
    let found = found.try_next().await.expect("the store answers").expect("something is stored");
    let found = ["count", "sum"].map(|key| found.get_f64(key).expect("a sum is a number"));
    assert_eq!(found, [readings as f64, expected as f64], "readings and the sum of their values");
    println!("{} readings stored, the sum of their values is {}, as sent", found[0], found[1]);
}

fn judge(parts: &[Vec<Sample>]) {
    let (early, late) = (&parts[WARM_PARTS..WARM_PARTS + 2].concat(), &parts[PARTS - 2..].concat());
    let growth = |of: fn(&Sample) -> u64| median(late, of) as f64 / median(early, of) as f64;
    let (agent, hub) = (growth(|sample| sample.agent_bytes), growth(|sample| sample.hub_bytes));
    println!("memory of the last two parts to that of the third and fourth: agent {agent:.3}, hub {hub:.3}");
    let is_flat = |what: &str, of: fn(&Sample) -> u64| {
        let (before, after) = (median(early, of), median(late, of));
        assert!(after <= before + before / 20 + 2, "{what} grew from {before} to {after}");
    };
    is_flat("the agent's descriptors", |sample| sample.agent_descriptors as u64);
    is_flat("the hub's descriptors", |sample| sample.hub_descriptors as u64);
    // In a short run the link is cut most of the time, and the backlog grows.
    if soaking() {
        is_flat("the buffer's files", |sample| sample.buffer_files as u64);
    }
    // A short run is over before memory is what it will be.
    assert!(!soaking() || agent <= GROWTH, "the agent's memory grew to {agent:.3} times what it was");
}

fn told(samples: &[Sample]) -> String {
    let megabytes = |of: fn(&Sample) -> u64| median(samples, of) as f64 / 1e6;
    format!(
        "agent {:.1} MB (most {:.1}), {} descriptors, {} files; hub {:.1} MB, {} descriptors",
        megabytes(|sample| sample.agent_bytes),
        samples.iter().map(|sample| sample.agent_bytes).max().unwrap_or_default() as f64 / 1e6,
        median(samples, |sample| sample.agent_descriptors as u64),
        median(samples, |sample| sample.buffer_files as u64),
        megabytes(|sample| sample.hub_bytes),
        median(samples, |sample| sample.hub_descriptors as u64),
    )
}

fn median(samples: &[Sample], of: fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<_> = samples.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn files_below(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let counts = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => files_below(&entry.path()),
        _ => 1,
    });
    counts.sum()
}
