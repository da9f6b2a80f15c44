//! Segments that wait long take less of the disk, and are the same to everybody.

use std::cell::Cell;
use std::os::unix::fs::FileExt;

use penstock_shared::id::CommitNumber;

use super::world::{World, familiar_noise};
use crate::buffer::{Freezing, FullPolicy, Lane, ReadLimits};

/// As many closed segments, and an active one.
fn world(closed: usize) -> World {
    let world = World::with(|settings| {
        // Some blocks each.
        settings.segment_bytes = 2 << 20;
        settings.quota_bytes = 64 << 20;
    });
    while world.segment_names().len() <= closed {
        world.buffer().append(&familiar_noise()).unwrap();
        world.append(1000);
    }
    world
}

fn freeze_all(world: &World) -> usize {
    let mut done = 0;
    loop {
        match world.buffer().freeze_oldest(|| true).unwrap() {
            Freezing::Done { before_bytes, after_bytes, .. } => {
                assert!(after_bytes < before_bytes / 3, "{before_bytes} became {after_bytes}");
                done += 1;
            }
            Freezing::Nothing => return done,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_waits_long_takes_less_and_reads_the_same() {
    let mut world = world(4);
    let (before, bytes) = (world.read_all(), world.buffer().bytes_on_disk());
    assert_eq!(freeze_all(&world), 4);
    assert!(world.buffer().bytes_on_disk() < bytes / 2);
    assert_eq!(world.read_all(), before);
    // The books of the next life come from the notes beside the blocks, or from the blocks themselves.
    world.reopen();
    assert_eq!(world.read_all(), before);
    let frozen = world.buffer().bytes_on_disk();
    std::fs::remove_file(world.segment_dir(1).join("seal")).unwrap();
    world.reopen();
    assert_eq!(world.read_all(), before);
    assert!(world.buffer().bytes_on_disk() <= frozen);
    world.assert_balanced();
    world.confirm(world.buffer().newest().0);
    assert_eq!(world.segment_names().len(), 1);
    assert_eq!(world.buffer().counts().buffered, 0);
}

#[test]
fn the_forwarder_goes_first() {
    let world = world(3);
    let first = world.buffer().segments()[1].first;
    let one = ReadLimits { commits: 1, ..super::world::EVERYTHING };
    let asked = Cell::new(0);
    // It needs another segment than the one that is being packed.
    let outcome = world.buffer().freeze_oldest(|| {
        asked.set(asked.get() + 1);
        assert_eq!(world.buffer().read(Lane::Main, first, &one).unwrap().commits.len(), 1);
        true
    });
    assert_eq!(outcome.unwrap(), Freezing::Yielded);
    assert_eq!(asked.get(), 1);
    assert_eq!(world.buffer().freeze_oldest(|| false).unwrap(), Freezing::Yielded);
    assert!(!world.segment_dir(0).join("frames.tmp").exists());
    assert_eq!(freeze_all(&world), 3);
    world.assert_balanced();
}

#[test]
fn what_the_hub_confirms_meanwhile_is_gone_all_the_same() {
    let world = world(2);
    let last = world.buffer().segments()[0].last;
    let outcome = world.buffer().freeze_oldest(|| {
        world.confirm(last);
        true
    });
    assert!(matches!(outcome, Ok(Freezing::Yielded)), "{outcome:?}");
    assert_eq!(world.segment_names().len(), 2);
    assert_eq!(freeze_all(&world), 1);
    world.assert_balanced();
}

#[test]
fn what_cannot_be_read_stays_as_it_is() {
    let mut world = World::small(FullPolicy::DropOldest);
    world.fill_segments(3);
    world.close();
    let path = world.segment_dir(0).join("db");
    let half = usize::try_from(std::fs::metadata(&path).unwrap().len() / 2).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().write_all_at(&vec![0xA5; half], 0).unwrap();
    world.reopen();
    let [first, second] = [0, 1].map(|place| world.buffer().segments()[place].first);
    assert_eq!(world.buffer().freeze_oldest(|| true).unwrap(), Freezing::Unfit(first));
    let next = world.buffer().freeze_oldest(|| true).unwrap();
    assert!(matches!(next, Freezing::Done { segment, .. } if segment == second), "{next:?}");
    assert_eq!(world.buffer().freeze_oldest(|| true).unwrap(), Freezing::Nothing);
    world.assert_balanced();
    assert!(world.buffer().counts().evicted > 0);
}

#[test]
fn damage_in_a_frozen_segment_is_declared_and_costs_no_more_than_its_block() {
    let mut world = world(3);
    assert_eq!(freeze_all(&world), 3);
    let received = world.buffer().counts().received;
    world.close();
    let path = world.segment_dir(1).join("frames");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    world.reopen();
    let run = world.read_all();
    let next = run.commits.last().unwrap().commit.number.next();
    let behind = world.buffer().read(Lane::Main, next, &super::world::EVERYTHING).unwrap();
    assert_eq!(behind.gaps.len(), 1);
    let counts = world.buffer().counts();
    assert!(counts.evicted > 0 && counts.evicted < received / 3, "{counts:?}");
    world.assert_balanced();
    assert!(run.commits[0].commit.number == CommitNumber(1));
}

#[test]
fn a_damaged_block_of_many_commits_costs_none_behind_it() {
    let mut world = World::with(|settings| settings.segment_bytes = 2 << 20);
    while world.segment_names().len() < 2 {
        world.append(1);
    }
    let commits = world.buffer().segments()[0].last.0;
    assert!(commits > 4096 + 100, "a block more than one: {commits} commits");
    assert_eq!(freeze_all(&world), 1);
    world.close();
    let path = world.segment_dir(0).join("frames");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    world.reopen();
    world.assert_balanced();
    assert_eq!(world.buffer().counts().evicted, 4096);
}
