//! What `status` says of the disk's wear, beside what the kernel says of the same process.

use serde_json::Value;

use crate::world::{World, assert_says};

const ROUNDS: u64 = 32;
const TEXT_BYTES: u64 = 8_000;

/// Returns the wear and the process that it is of.
fn wear(world: &World) -> (Value, u64) {
    let (_, told) = world.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&told).expect("JSON");
    (status["wear"].clone(), status["pid"].as_u64().expect("a process"))
}

fn count(wear: &Value, name: &str) -> u64 {
    wear[name].as_u64().unwrap_or_else(|| panic!("no {name} in {wear}"))
}

/// Asks the kernel itself.
fn written_by(pid: u64) -> u64 {
    let account = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("an account");
    let line = account.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.expect("its line").parse().expect("a number")
}

fn noise() -> String {
    (0..TEXT_BYTES).map(|_| char::from(rand::random_range(b'a'..=b'p'))).collect()
}

#[tokio::test]
async fn status_tells_what_the_disk_bears_of_what_came_in() {
    let world = World::new();
    let agent = world.start();
    let (before, pid) = wear(&world);
    let kernel_before = written_by(pid);
    for _ in 0..ROUNDS {
        // Each waits for its acknowledgement, so each takes an fsync.
        agent.take([("plant/note", format!("{{\"value\":\"{}\"}}", noise()))]).await;
    }
    let kernel_between = written_by(pid);
    let (after, _) = wear(&world);
    let kernel_after = written_by(pid);

    // Sixteen letters take 4 bits each at least, and in plain text 8.
    let entry_bytes = count(&after, "entryBytes") - count(&before, "entryBytes");
    let sent = ROUNDS * TEXT_BYTES;
    assert!((sent * 4 / 10..=sent * 11 / 10).contains(&entry_bytes), "{entry_bytes} of {sent}: {after}");
    let fsyncs = count(&after, "fsyncs") - count(&before, "fsyncs");
    assert!((ROUNDS..ROUNDS * 10).contains(&fsyncs), "{fsyncs}: {after}");
    let written = count(&after, "writtenBytes");
    assert!((kernel_between..=kernel_after).contains(&written), "{kernel_between} {written} {kernel_after}");
    // A file system in memory wears nothing, and the kernel says so.
    if kernel_between > kernel_before {
        let written = written - count(&before, "writtenBytes");
        assert!(written >= entry_bytes, "{written} written of {entry_bytes}");
        let amplification = after["writeAmplification"].as_f64().expect("a ratio");
        let per_day = after["writtenBytesPerDay"].as_f64().expect("a rate");
        let expected = amplification * after["entryBytesPerDay"].as_f64().expect("a rate");
        assert!(amplification >= 1.0 && (per_day - expected).abs() <= per_day / 1e6, "{after}");
    }
    let (_, told) = world.run(&["status"]);
    assert_says(&told, &["\nwear  ", "B a day to the disk, ", " of readings, ", " fsyncs/s, over the last "]);
}
