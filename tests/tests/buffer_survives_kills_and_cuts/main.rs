//! A buffer that is killed and whose power is cut again and again, on a disk that tears writes: every start succeeds,
//! nothing acknowledged is lost, nothing comes twice.
//!
//! ```text
//! appender (a process of its own: the agent's real buffer) ──lines──▶ witness (what was acknowledged, what came)
//!     └── on a disk that tears writes ◀── kills and cuts at random moments
//! ```

#![expect(clippy::unwrap_used, reason = "what a test's helpers cannot do, the test cannot either")]

mod appender;
mod life;
mod witness;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use penstock_tests::chance::{Chance, soaking};
use penstock_tests::power::{Disk, DiskFault};
use penstock_tests::skip;

use appender::Task;
use life::Life;
use witness::Witness;

/// Failed syncs most often: they are what a program gets wrong.
const FAULTS: [DiskFault; 6] = [
    DiskFault::SyncFails,
    DiskFault::WriteFails,
    DiskFault::SyncFails,
    DiskFault::Full,
    DiskFault::SyncFails,
    DiskFault::ReadOnly,
];

/// Kills and cuts: as many as the promise names when soaking.
fn rounds() -> (usize, usize) {
    if soaking() { (1000, 300) } else { (30, 20) }
}

#[test]
fn a_thousand_ends_lose_and_double_nothing() {
    let mut witness = Witness::default();
    let Some(starts) = end_again_and_again(&mut witness, rounds(), |task| task, |_| {}) else { return };
    println!("{}; {starts}", witness.verdict());
}

#[test]
fn a_quota_of_64_kb_is_kept_and_what_it_costs_is_declared_through_kills_and_cuts() {
    for quota in [64_000, 400_000] {
        let mut witness = Witness::who_expects_eviction();
        let mut most = 0;
        let is_within = |buffer: &Path| {
            // But for copies of what a start is mending.
            let is_copy = |path: &Path| {
                path.to_str().unwrap().contains("/db.kept") || path.to_str().unwrap().contains(".saved/")
            };
            let mut files = files_below(&buffer.join("segments"));
            files.retain(|(path, _)| !is_copy(path));
            let bytes = files.iter().map(|(_, bytes)| bytes).sum();
            assert!(bytes <= quota, "{bytes} bytes with a quota of {quota}: {files:?}");
            most = most.max(bytes);
        };
        let (kills, cuts) = rounds();
        let rounds = (kills / 2, cuts / 2);
        let starts = end_again_and_again(&mut witness, rounds, |task| task.within(quota), is_within);
        let Some(starts) = starts else { return };
        println!("{}; at most {most} of {quota} bytes; {starts}", witness.verdict());
    }
}

/// Lets a buffer live, and kills it and cuts its power at random moments, until it is drained at last; `look` is done
/// after each life. Says how long the starts took; none where no disk can be mounted.
fn end_again_and_again(
    witness: &mut Witness,
    (mut kills, mut cuts): (usize, usize),
    with: impl Fn(Task) -> Task,
    mut look: impl FnMut(&Path),
) -> Option<String> {
    let mut disk = Disk::mount().map_err(|fault| skip::without_mount(&fault)).ok()?;
    let mut chance = Chance::seeded();
    disk.tear_writes(chance.number(0..usize::MAX) as u64);
    let mut starts = Vec::new();
    while kills + cuts > 0 {
        let cut = chance.number(0..kills + cuts) < cuts;
        *(if cut { &mut cuts } else { &mut kills }) -= 1;
        // A backlog grows for some rounds, over several segments, before it drains.
        let task = with(Task::appending(witness.fresh_numbers(), chance.number(0..3) == 0));
        let buffer = disk.path().join("buffer");
        let mut life = Life::start(&buffer, &task);
        if chance.number(0..4) == 0 {
            // In the middle of its start.
            std::thread::sleep(chance.millis(0..60));
        } else {
            starts.push(life.opened());
            std::thread::sleep(chance.millis(1..120));
        }
        witness.hear(&life.kill());
        look(&buffer);
        if cut {
            disk.cut_power().unwrap();
            look(&buffer);
        }
    }
    let buffer = disk.path().join("buffer");
    let mut life = Life::start(&buffer, &with(Task::draining(witness.fresh_numbers())));
    starts.push(life.opened());
    witness.hear(&life.until_it_ends());
    look(&buffer);
    Some(told(&mut starts))
}

/// What a start makes is there for the next one before its entry is on the disk.
#[test]
fn a_start_that_was_killed_while_it_made_the_buffer_is_made_good_by_the_next() {
    type Left = fn(&Path) -> std::io::Result<()>;
    // In the order in which a start makes them; the last one is not durable.
    let left: [Left; 4] = [
        |buffer| std::fs::create_dir(buffer),
        |buffer| {
            make_durable_dir(buffer)?;
            std::fs::create_dir(buffer.join("segments"))
        },
        |buffer| {
            make_durable_dir(buffer)?;
            make_durable_dir(&buffer.join("segments"))?;
            std::fs::write(buffer.join("state"), vec![0; 2 * 64 * 1024 + 64])
        },
        |buffer| {
            make_durable_dir(buffer)?;
            make_durable_dir(&buffer.join("segments"))?;
            std::fs::create_dir(buffer.join("segments/00000000000000000001"))
        },
    ];
    for left in left {
        let Some(mut disk) = Disk::mount().map_err(|fault| skip::without_mount(&fault)).ok() else { return };
        let buffer = disk.path().join("buffer");
        left(&buffer).unwrap();
        let mut witness = Witness::default();
        let mut life = Life::start(&buffer, &Task::appending(witness.fresh_numbers(), false));
        life.opened();
        life.acknowledges();
        witness.hear(&life.kill());
        disk.cut_power().unwrap();
        let mut life = Life::start(&buffer, &Task::draining(witness.fresh_numbers()));
        life.opened();
        witness.hear(&life.until_it_ends());
        println!("{}", witness.verdict());
    }
}

#[test]
fn a_disk_that_fails_has_what_was_acknowledged() {
    let Some(mut disk) = Disk::mount().map_err(|fault| skip::without_mount(&fault)).ok() else { return };
    let mut chance = Chance::seeded();
    disk.tear_writes(chance.number(0..usize::MAX) as u64);
    let mut witness = Witness::default();
    let mut recoveries = Vec::new();
    let mut starts = Vec::new();
    for round in 0..if soaking() { 200 } else { 24 } {
        let task = Task::appending(witness.fresh_numbers(), chance.number(0..2) == 0);
        let mut life = Life::start(&disk.path().join("buffer"), &task);
        starts.push(life.opened());
        std::thread::sleep(chance.millis(5..60));
        disk.set_fault(FAULTS[round % FAULTS.len()]);
        std::thread::sleep(chance.millis(1..60));
        // Some lives end while the disk fails.
        if chance.number(0..3) > 0 {
            disk.set_fault(DiskFault::None);
            recoveries.push(life.acknowledges());
            std::thread::sleep(chance.millis(1..60));
        }
        witness.hear(&life.kill());
        disk.set_fault(DiskFault::None);
        if chance.number(0..2) == 0 {
            disk.cut_power().unwrap();
        }
    }
    let task = Task::draining(witness.fresh_numbers());
    let mut life = Life::start(&disk.path().join("buffer"), &task);
    starts.push(life.opened());
    witness.hear(&life.until_it_ends());
    println!("{}; {}; after a fault {}", witness.verdict(), told(&mut starts), told(&mut recoveries));
}

/// A backlog of 1 GB, in the segments that it usually has and in as many as a quota of 100 GB may have.
#[test]
fn a_killed_buffer_with_a_backlog_starts_again() {
    let backlog: u64 = if soaking() { 1 << 30 } else { 48 << 20 };
    for segment_bytes in [4 << 20, 160 << 10] {
        let directory = tempfile::tempdir().unwrap();
        let buffer = directory.path().join("buffer");
        let mut witness = Witness::default();
        let task = Task::filling(witness.fresh_numbers(), backlog).in_segments_of(segment_bytes);
        let mut life = Life::start(&buffer, &task);
        let begun = Instant::now();
        witness.hear(&life.until_it_ends());
        let filled = begun.elapsed();
        let mut starts = Vec::new();
        for _ in 0..10 {
            let task = Task::appending(witness.fresh_numbers(), false).in_segments_of(segment_bytes);
            let mut life = Life::start(&buffer, &task);
            starts.push(life.opened());
            life.acknowledges();
            witness.hear(&life.kill());
        }
        let segments = std::fs::read_dir(buffer.join("segments")).unwrap().count();
        let megabytes = bytes_below(&buffer) >> 20;
        println!("{segments} segments, {megabytes} MiB, filled in {filled:?}; {}", told(&mut starts));
    }
}

fn make_durable_dir(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir(directory)?;
    std::fs::File::open(directory.parent().unwrap())?.sync_all()
}

/// Says how long starts took, from the start of the process to an open buffer.
fn told(starts: &mut [Duration]) -> String {
    starts.sort_unstable();
    let at = |part: usize| starts[(starts.len() - 1) * part / 100].as_millis();
    format!("{} times: p50 {} ms, p99 {} ms, longest {} ms", starts.len(), at(50), at(99), at(100))
}

fn bytes_below(directory: &Path) -> u64 {
    files_below(directory).iter().map(|(_, bytes)| bytes).sum()
}

/// Lists files with their lengths; none where the directory was not made yet.
fn files_below(directory: &Path) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap())
        .flat_map(|entry| match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => files_below(&entry.path()),
            metadata => vec![(entry.path(), metadata.len())],
        })
        .collect()
}

/// The process that is killed: this program once more. Without a task it is a test like another, and passes.
#[test]
fn appender() {
    appender::run();
}
