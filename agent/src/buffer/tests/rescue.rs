//! What damage does to a buffer: the intact commits are sent, the others are declared, and the sum holds.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;

use penstock_shared::batch::GapReason;
use penstock_shared::id::CommitNumber;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::world::{EVERYTHING, World, group, noise};
use crate::buffer::{Buffer, FullPolicy, Lane, StoredCommit, seal};

/// Small commits between large ones, in three segments or more. Returns each with its readings' count.
fn filled() -> (World, BTreeMap<u64, StoredCommit>) {
    let world = World::small(FullPolicy::DropOldest);
    while world.segment_names().len() < 3 {
        world.buffer().append(&noise()).unwrap();
        for readings in 1..8 {
            world.buffer().append(&group(readings, 0)).unwrap();
        }
    }
    let written = world.read_all().commits.into_iter();
    let written = written.map(|stored| (stored.commit.number.0, stored)).collect();
    (world, written)
}

/// Reads as a forwarder does: every number comes once, as a commit or in a gap, and commits are what was written.
fn read_through(buffer: &Buffer, written: &BTreeMap<u64, StoredCommit>) -> (u64, u64) {
    let mut next = buffer.confirmed().0.next();
    let (mut commits, mut lost) = (0, 0);
    loop {
        let run = buffer.read(Lane::Main, next, &EVERYTHING).unwrap();
        if run.commits.is_empty() {
            return (commits, lost);
        }
        for gap in &run.gaps {
            assert_eq!(gap.first, next, "{:?}", run.gaps);
            assert_eq!(gap.reason, GapReason::Quarantined);
            lost += gap.readings;
            next = gap.last.next();
        }
        for stored in &run.commits {
            assert_eq!(stored.commit.number, next);
            if let Some(known) = written.get(&next.0) {
                assert!(stored == known, "commit {next} is not what was written");
            }
            commits += 1;
            next = next.next();
        }
    }
}

fn readings_of(written: &BTreeMap<u64, StoredCommit>) -> u64 {
    written.values().map(|stored| stored.commit.readings.len() as u64).sum()
}

/// Opens the damaged buffer, and sees that everything is sent or declared, in this life and the next.
fn assert_holds(world: &mut World, written: &BTreeMap<u64, StoredCommit>) -> u64 {
    let last = *written.keys().next_back().unwrap();
    world.reopen();
    assert_eq!(world.buffer().counts().received, readings_of(written));
    let added = world.append(1);
    assert!(added.0 > last, "{added} was used before");
    let (_, lost) = read_through(world.buffer(), written);
    world.assert_balanced();
    let counts = world.buffer().counts();
    assert_eq!(counts.evicted, lost);
    assert_eq!(counts.received, readings_of(written) + 1);
    world.reopen();
    assert_eq!(world.buffer().counts(), counts, "another life tells something else");
    assert_eq!(read_through(world.buffer(), written).1, lost);
    world.confirm(world.buffer().newest().0);
    let counts = world.buffer().counts();
    assert_eq!((counts.buffered, counts.stored, counts.evicted), (0, readings_of(written) + 1 - lost, lost));
    world.assert_balanced();
    lost
}

fn overwrite(path: &Path, from: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, from).unwrap();
}

fn quarantined(world: &World) -> usize {
    std::fs::read_dir(world.settings.dir.join("quarantine")).map_or(0, Iterator::count)
}

#[test]
fn any_damage_to_any_segment_costs_what_it_hits() {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut world, written) = filled();
        world.close();
        let mut told = String::new();
        for _ in 0..random.random_range(1..3) {
            let place = random.random_range(0..3);
            let dir = world.segment_dir(place);
            // The notes of what is in a closed segment are not always there.
            if random.random() {
                seal::break_open(&dir).unwrap();
            }
            let data = dir.join("db");
            let length = std::fs::metadata(&data).unwrap().len();
            let at = random.random_range(0..length / 512) * 512;
            let kind = random.random_range(0..6);
            match kind {
                0 => overwrite(&data, at, &[0; 512]),
                1 => overwrite(&data, at, &vec![0xA5; 20_000]),
                2 => std::fs::File::options().write(true).open(&data).unwrap().set_len(at).unwrap(),
                3 => std::fs::remove_file(dir.join("conf")).unwrap(),
                4 => std::fs::write(dir.join("snap.00000000EEEEEEEE"), b"torn").unwrap(),
                _ => overwrite(&data, 0, &vec![0; usize::try_from(length / 2).unwrap()]),
            }
            told += &format!(" segment {place}: kind {kind} at {at} of {length};");
        }
        let lost = assert_holds(&mut world, &written);
        println!("seed {seed}:{told} lost {lost} of {} readings", readings_of(&written));
    }
}

#[test]
fn a_segment_that_sled_does_not_open_loses_nothing_when_its_log_is_whole() {
    for place in 0..3 {
        let (mut world, written) = filled();
        world.close();
        let dir = world.segment_dir(place);
        std::fs::write(dir.join("conf"), b"segment_size: what? version: 0.34").unwrap();
        seal::break_open(&dir).unwrap();
        assert_eq!(assert_holds(&mut world, &written), 0);
        assert_eq!(quarantined(&world), 1, "segment {place}");
    }
}

#[test]
fn a_damaged_segment_that_was_sealed_is_rescued_when_it_is_read() {
    let (mut world, written) = filled();
    world.close();
    let data = world.segment_dir(0).join("db");
    overwrite(&data, 200_000, &[0xA5; 4096]);
    let lost = assert_holds(&mut world, &written);
    assert!(lost < 20, "{lost} lost");
    assert_eq!(quarantined(&world), 1);
}

#[test]
fn a_kill_in_the_middle_of_a_rescue_leaves_one_or_the_other() {
    // Before the damaged segment is moved, and after.
    for moved in [false, true] {
        let (mut world, written) = filled();
        world.close();
        let dir = world.segment_dir(0);
        seal::break_open(&dir).unwrap();
        overwrite(&dir.join("db"), 200_000, &[0xA5; 4096]);
        let saved = dir.with_extension("saved");
        if moved {
            // What a rescue leaves that ends between its two renamings.
            let mut other = World::small(FullPolicy::DropOldest);
            other.close();
            copy(&world.settings.dir, &other.settings.dir);
            other.reopen();
            other.close();
            let name = dir.file_name().unwrap();
            std::fs::rename(other.settings.dir.join("segments").join(name), &saved).unwrap();
            std::fs::rename(&dir, world.settings.dir.join("moved")).unwrap();
        } else {
            std::fs::create_dir(&saved).unwrap();
            std::fs::write(saved.join("frames.tmp"), b"half").unwrap();
        }
        let lost = assert_holds(&mut world, &written);
        assert!(lost < 20, "{lost} lost");
        assert!(!saved.exists());
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).unwrap();
    super::fixture::copy(from, to);
}

#[test]
fn snapshots_that_are_torn_cost_nothing_and_no_quarantine() {
    let (mut world, written) = filled();
    world.close();
    for place in 0..3 {
        let dir = world.segment_dir(place);
        seal::break_open(&dir).unwrap();
        std::fs::write(dir.join("snap.00000000EEEEEEEE"), b"torn").unwrap();
    }
    world.reopen();
    assert_eq!(quarantined(&world), 0);
    assert_eq!(read_through(world.buffer(), &written), (written.len() as u64, 0));
    assert_eq!(world.append(1), CommitNumber(written.keys().next_back().unwrap() + 1));
}
