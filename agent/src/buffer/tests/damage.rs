//! What a crash or a failing disk leaves behind costs no more than what it hit.

use std::os::unix::fs::FileExt;

use penstock_shared::batch::GapReason;
use penstock_shared::id::CommitNumber;

use super::world::{World, noise};
use crate::buffer::FullPolicy;

fn overwrite(path: &std::path::Path, from: u64, bytes: usize) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&vec![0xA5; bytes], from).unwrap();
}

fn quarantined(world: &World) -> usize {
    std::fs::read_dir(world.settings.dir.join("quarantine")).map_or(0, Iterator::count)
}

#[test]
fn a_torn_snapshot_loses_nothing() {
    let mut world = World::new();
    for _ in 0..20 {
        world.append(3);
    }
    world.reopen();
    world.close();
    for name in ["snap.00000000FFFFFFFF.generating", "snap.00000000EEEEEEEE"] {
        std::fs::write(world.segment_dir(0).join(name), b"torn").unwrap();
    }
    world.reopen();
    assert_eq!(world.buffer().counts().buffered, 60);
    world.assert_balanced();
}

#[test]
fn a_segment_that_a_kill_left_unsealed_is_sealed_by_the_next_start() {
    let mut world = World::small(FullPolicy::DropOldest);
    world.fill_segments(4);
    let counts = world.buffer().counts();
    world.close();
    let seals: Vec<_> = (0..3).map(|place| world.segment_dir(place).join("seal")).collect();
    let before = std::fs::read(&seals[1]).unwrap();
    seals.iter().for_each(|seal| std::fs::remove_file(seal).unwrap());
    world.reopen();
    assert!(seals.iter().all(|seal| seal.exists()));
    assert!(!world.segment_dir(3).join("seal").exists(), "the active one is not closed");
    world.reopen();
    assert_eq!(world.buffer().counts(), counts);
    assert_eq!(std::fs::read(&seals[1]).unwrap().len(), before.len());
    world.assert_balanced();
}

#[test]
fn a_damaged_closed_segment_is_set_aside_and_the_others_survive() {
    let mut world = World::small(FullPolicy::DropOldest);
    world.fill_segments(4);
    let received = world.buffer().counts().received;
    world.close();
    let damaged = world.segment_dir(1);
    let length = std::fs::metadata(damaged.join("db")).unwrap().len();
    overwrite(&damaged.join("db"), 0, usize::try_from(length).unwrap());
    world.reopen();
    world.assert_balanced();
    let counts = world.buffer().counts();
    assert_eq!(counts.received, received);
    assert!(counts.evicted > 0 && counts.evicted < received / 2, "{counts:?}");
    world.confirm(world.buffer().newest().0);
    assert_eq!(quarantined(&world), 1);
    world.assert_balanced();
}

#[test]
fn a_damaged_active_segment_never_lets_a_number_be_used_twice() {
    let mut world = World::small(FullPolicy::DropOldest);
    world.fill_segments(2);
    world.buffer().append(&noise()).unwrap();
    let (last, _) = world.buffer().newest();
    world.close();
    overwrite(&world.segment_dir(1).join("db"), 0, 1 << 20);
    world.reopen();
    let number = world.append(1);
    assert!(number > last);
    world.assert_balanced();
    let first_after = world.read_all().commits.last().unwrap().commit.number.next();
    let run = world.buffer().read(crate::buffer::Lane::Main, first_after, &super::world::EVERYTHING).unwrap();
    assert_eq!(run.commits[0].commit.number, number);
    assert_eq!(run.gaps.last().unwrap().reason, GapReason::Quarantined);
    assert_eq!(run.gaps.last().unwrap().last, number.previous());
}

#[test]
fn an_active_segment_that_sled_cannot_open_is_set_aside() {
    let mut world = World::small(FullPolicy::DropOldest);
    world.fill_segments(2);
    world.buffer().append(&noise()).unwrap();
    let (last, _) = world.buffer().newest();
    world.close();
    std::fs::write(world.segment_dir(1).join("conf"), b"segment_size: what? version: 0.34").unwrap();
    world.reopen();
    assert_eq!(quarantined(&world), 1);
    assert!(world.append(1) > last);
    world.assert_balanced();
}

#[test]
fn some_flipped_bytes_cost_only_the_commits_they_hit() {
    let mut world = World::small(FullPolicy::DropOldest);
    world.fill_segments(3);
    let received = world.buffer().counts().received;
    world.close();
    let data = world.segment_dir(0).join("db");
    let middle = std::fs::metadata(&data).unwrap().len() / 2;
    overwrite(&data, middle, 64);
    world.reopen();
    world.assert_balanced();
    assert_eq!(world.buffer().counts().received, received);
    assert!(world.buffer().counts().buffered > received / 3);
}

#[test]
fn a_lost_state_file_keeps_every_commit_under_a_fresh_epoch() {
    let mut world = World::new();
    let epoch = world.buffer().epoch();
    world.append(3);
    world.append(4);
    world.close();
    std::fs::remove_file(world.settings.dir.join("state")).unwrap();
    world.reopen();
    assert_ne!(world.buffer().epoch(), epoch);
    assert_eq!(world.buffer().counts().buffered, 7);
    assert_eq!(world.append(1), CommitNumber(3));
    world.assert_balanced();
}

#[test]
fn an_interrupted_removal_is_finished() {
    let mut world = World::small(FullPolicy::DropOldest);
    world.fill_segments(2);
    world.close();
    let first = world.segment_dir(0);
    std::fs::rename(&first, first.with_extension("dropped")).unwrap();
    world.reopen();
    assert_eq!(world.segment_names().len(), 1);
    world.assert_balanced();
}

#[test]
fn a_disk_restored_from_an_older_copy_never_repeats_a_number_that_the_hub_has() {
    let mut world = World::new();
    world.append(3);
    world.append(4);
    world.confirm(CommitNumber(20));
    assert_eq!(world.append(1), CommitNumber(21));
    assert_eq!(world.buffer().faults().len(), 1);
    world.reopen();
    assert_eq!(world.append(1), CommitNumber(22));
    assert_eq!(world.buffer().counts().stored, 7);
    world.assert_balanced();
}

#[test]
fn commits_that_sled_forgot_are_declared_and_their_numbers_are_not_used_again() {
    let mut world = World::new();
    world.append(3);
    let segment = world.segment_dir(0);
    world.close();
    let copy = world.settings.dir.join("copy");
    std::fs::create_dir(&copy).unwrap();
    for name in ["db", "conf"] {
        std::fs::copy(segment.join(name), copy.join(name)).unwrap();
    }
    world.reopen();
    world.append(5);
    world.append(6);
    world.close();
    std::fs::remove_dir_all(&segment).unwrap();
    std::fs::rename(&copy, &segment).unwrap();
    world.reopen();
    assert_eq!(world.append(1), CommitNumber(4));
    let counts = world.buffer().counts();
    assert_eq!((counts.received, counts.evicted, counts.buffered), (15, 11, 4));
    world.assert_balanced();
}
