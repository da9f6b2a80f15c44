//! A quota of 64 kB, and quotas that change: what lies on the disk never exceeds them, and nothing goes unsaid.

use penstock_shared::batch::GapReason;
use penstock_shared::id::CommitNumber;
use penstock_shared::reading::Value;

use super::world::{EVERYTHING, World, group, noise, sent};
use crate::buffer::{AppendError, FullPolicy, Group, Lane, disk};

const QUOTA: u64 = 64_000;

fn tiny(policy: FullPolicy) -> World {
    World::with(|settings| {
        shrink(settings);
        settings.policy = policy;
    })
}

fn shrink(settings: &mut crate::buffer::BufferSettings) {
    settings.quota_bytes = QUOTA;
    settings.segment_bytes = QUOTA / 4;
    settings.dead_letter_bytes = 1 << 20;
}

impl World {
    fn segment_bytes(&self) -> u64 {
        disk::bytes_below(&self.settings.dir.join("segments"))
    }

    fn assert_within_quota(&self) {
        let bytes = self.segment_bytes();
        assert!(bytes <= QUOTA, "{bytes} bytes in {:?}", self.segment_names());
        assert!(self.buffer().bytes_on_disk() >= bytes, "{bytes} on the disk, fewer in the books");
    }
}

/// Readings of which each has a text of its own.
fn texts(readings: usize, text_bytes: usize) -> Group {
    let mut texts = group(readings, 0);
    for reading in &mut texts.readings {
        let text = (0..text_bytes).map(|_| char::from(rand::random_range(33_u8..126))).collect();
        reading.value = Value::Text(text);
    }
    texts
}

#[test]
fn what_lies_on_the_disk_never_exceeds_64_kb() {
    let mut world = tiny(FullPolicy::DropOldest);
    let mut most = 0;
    for round in 0..600_usize {
        let group = match round % 7 {
            0 => texts(40, 24),
            1 => texts(1, 4_000),
            2 => texts(3, 20),
            3 => texts(12, 3_000),
            _ => group(1 + round % 50, 0),
        };
        world.buffer().append(&group).unwrap();
        world.assert_within_quota();
        if round % 5 == 0 {
            // A closed segment grows as it is opened to be read.
            let run = world.read_all();
            assert!(run.gaps.iter().all(|gap| gap.reason == GapReason::Evicted), "{:?}", run.gaps);
            world.assert_within_quota();
            if let Some(commit) = run.commits.first().filter(|_| round % 3 == 0) {
                world.confirm(commit.commit.number);
            }
        }
        if round % 11 == 0 {
            world.reopen();
            world.assert_within_quota();
            world.assert_balanced();
            world.reopen();
            world.assert_within_quota();
        }
        most = most.max(world.segment_bytes());
    }
    world.assert_balanced();
    let counts = world.buffer().counts();
    println!("at most {most} of {QUOTA} bytes on the disk, at the end {counts:?}");
    assert!(counts.evicted > 0 && counts.buffered > 0 && counts.dead_lettered == 0, "{counts:?}");
    assert!(most > QUOTA / 2, "only {most} of the quota are used");
}

#[test]
fn what_was_on_its_way_as_it_was_evicted_is_stored_and_what_was_evicted_before_is_not() {
    let world = tiny(FullPolicy::DropOldest);
    let evicted = || world.buffer().counts().evicted;
    let evict = || {
        let before = evicted();
        while evicted() == before {
            world.buffer().append(&texts(4, 200)).unwrap();
        }
    };
    evict();
    let never_sent = evicted();
    // The gap comes first, then what is left of commits.
    let on_its_way = sent(&world.read_all());
    evict();
    let came = &on_its_way[..3];
    world.buffer().confirm(Lane::Main, came[2].number, came).unwrap();
    let counts = world.buffer().counts();
    assert!(counts.is_balanced(), "{counts:?}");
    assert_eq!(counts.stored, 12);
    assert!(counts.evicted >= never_sent, "{counts:?}");
    world.assert_balanced();
    world.confirm(world.buffer().newest().0);
    world.assert_balanced();
    assert_eq!(world.buffer().counts().buffered, 0);
}

#[test]
fn what_was_evicted_before_a_damaged_segment_is_not_lost_once_more() {
    let mut world = tiny(FullPolicy::DropOldest);
    while world.buffer().counts().evicted == 0 || world.segment_names().len() > 1 {
        world.buffer().append(&texts(1, 4_000)).unwrap();
    }
    let (evicted, last) = (world.buffer().counts().evicted, world.buffer().newest().0);
    let newest = world.segment_names().pop().unwrap().parse::<u64>().unwrap();
    world.close();
    // Something is in the log, but no commit.
    let dir = world.segment_dir(0);
    drop(sled::Config::new().path(dir.join("other")).segment_size(8 << 10).open().unwrap());
    std::fs::rename(dir.join("other/db"), dir.join("db")).unwrap();
    std::fs::write(dir.join("conf"), b"").unwrap();
    world.reopen();
    // A reading a commit.
    assert_eq!(world.buffer().counts().evicted, evicted + (last.0 + 1 - newest));
    world.append(1);
    world.assert_balanced();
}

#[test]
fn frozen_segments_count_too() {
    let world = tiny(FullPolicy::DropOldest);
    for _ in 0..60 {
        world.buffer().append(&texts(10, 20)).unwrap();
        world.buffer().freeze_oldest(|| true).unwrap();
        world.assert_within_quota();
    }
    world.assert_balanced();
}

#[test]
fn a_full_buffer_that_blocks_keeps_all_and_takes_more_when_it_drained() {
    let mut world = tiny(FullPolicy::Block);
    for _ in 0..3 {
        let mut taken = 0;
        let refused = loop {
            match world.buffer().append(&texts(4, 200)) {
                Ok(_) => taken += 1,
                Err(error) => break error,
            }
            world.assert_within_quota();
        };
        assert!(matches!(refused, AppendError::Full), "{refused}");
        assert!(taken >= 4, "only {taken} groups fit");
        world.reopen();
        world.assert_within_quota();
        world.assert_balanced();
        assert_eq!(world.buffer().counts().evicted, 0);
        world.confirm(world.buffer().newest().0);
    }
    assert_eq!(world.buffer().counts().buffered, 0);
}

#[test]
fn what_is_too_much_at_once_is_flushed_in_parts_and_a_single_reading_becomes_a_letter() {
    let world = tiny(FullPolicy::DropOldest);
    world.buffer().append(&texts(20, 1_000)).unwrap();
    world.assert_within_quota();
    assert_eq!(world.buffer().counts().received, 20);
    assert_eq!(world.buffer().counts().dead_lettered, 0);
    let mut group = noise();
    group.readings.extend(texts(1, 10).readings);
    world.buffer().append(&group).unwrap();
    world.assert_within_quota();
    world.assert_balanced();
    let letters = world.buffer().newest_dead_letters(9).unwrap();
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons, ["above_quota", "above_quota"]);
    assert_eq!(world.buffer().counts().received, 23);
    // The small one is behind them.
    let (last, _) = world.buffer().newest();
    let run = world.buffer().read(Lane::Main, last, &EVERYTHING).unwrap();
    assert_eq!(run.commits.iter().map(|stored| stored.commit.readings.len()).sum::<usize>(), 1);
}

#[test]
fn a_buffer_that_was_large_opens_with_a_small_quota_and_back() {
    let mut world = World::with(|settings| settings.segment_bytes = 1 << 20);
    world.fill_segments(3);
    world.append(5);
    let owed = world.readings_on_disk();
    // What is there stays until there is something to take in.
    shrink(&mut world.settings);
    world.reopen();
    assert_eq!(world.readings_on_disk(), owed);
    world.assert_balanced();
    world.append(7);
    world.assert_within_quota();
    world.assert_balanced();
    assert_eq!((world.buffer().counts().buffered, world.buffer().counts().evicted), (7, owed));
    let small = world.segment_bytes();
    world.settings.quota_bytes = 1 << 30;
    world.settings.segment_bytes = 16 << 20;
    world.reopen();
    world.append(9);
    world.fill_segments(2);
    world.assert_balanced();
    assert!(world.segment_bytes() > 100 * small);
}

#[test]
fn an_empty_segment_of_a_large_quota_gives_way() {
    for policy in [FullPolicy::DropOldest, FullPolicy::Block] {
        let mut world = World::new();
        world.reopen();
        shrink(&mut world.settings);
        world.settings.policy = policy;
        world.reopen();
        world.assert_within_quota();
        assert_eq!(world.append(3), CommitNumber(1));
        world.assert_within_quota();
        world.assert_balanced();
    }
}

#[test]
fn the_reserve_is_as_large_as_the_logs_need() {
    let reserve = |world: &World| world.settings.dir.join("reserve").metadata().unwrap().len();
    let mut world = tiny(FullPolicy::DropOldest);
    world.append(1);
    assert!(reserve(&world) <= 256 << 10, "{}", reserve(&world));
    world.settings.quota_bytes = 1 << 30;
    world.settings.segment_bytes = 16 << 20;
    world.reopen();
    world.append(1);
    assert_eq!(reserve(&world), 4 << 20);
}
