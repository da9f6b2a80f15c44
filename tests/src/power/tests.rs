//! What a disk keeps, and what it forgets.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;

use nix::errno::Errno;

use super::tree::{ROOT, Tree};
use super::{Disk, DiskFault};

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

#[test]
fn a_power_cut_takes_back_bytes_that_were_not_synced() {
    let mut tree = Tree::default();
    let file = tree.create_file(ROOT, name("a")).unwrap();
    tree.sync(ROOT).unwrap();
    tree.write(file, 0, b"kept").unwrap();
    tree.sync(file).unwrap();
    tree.write(file, 2, b"lost and longer").unwrap();
    tree.cut_power();
    assert_eq!(tree.read(file, 0, 99).unwrap(), b"kept");
}

#[test]
fn a_name_survives_only_when_its_directory_was_synced() {
    let mut tree = Tree::default();
    let file = tree.create_file(ROOT, name("old")).unwrap();
    tree.sync(file).unwrap();
    tree.sync(ROOT).unwrap();
    tree.rename((ROOT, name("old")), (ROOT, name("new"))).unwrap();
    tree.create_directory(ROOT, name("d")).unwrap();
    tree.cut_power();
    assert_eq!(tree.lookup(ROOT, name("old")), Ok(file));
    assert_eq!(tree.lookup(ROOT, name("new")), Err(Errno::ENOENT));
    assert_eq!(tree.lookup(ROOT, name("d")), Err(Errno::ENOENT));
}

#[test]
fn a_removal_that_was_not_synced_is_undone() {
    let mut tree = Tree::default();
    let file = tree.create_file(ROOT, name("a")).unwrap();
    tree.write(file, 0, &[7; 10_000]).unwrap();
    tree.sync(file).unwrap();
    tree.sync(ROOT).unwrap();
    tree.set_len(file, 5).unwrap();
    tree.remove(ROOT, name("a")).unwrap();
    tree.cut_power();
    assert_eq!(tree.lookup(ROOT, name("a")), Ok(file));
    assert_eq!(tree.read(file, 0, 20_000).unwrap(), &[7; 10_000]);
}

#[test]
fn a_file_cut_and_grown_again_reads_zeros_after_a_sync() {
    let mut tree = Tree::default();
    let file = tree.create_file(ROOT, name("a")).unwrap();
    tree.sync(ROOT).unwrap();
    tree.write(file, 0, &[7; 9000]).unwrap();
    tree.sync(file).unwrap();
    tree.set_len(file, 100).unwrap();
    tree.set_len(file, 9000).unwrap();
    tree.sync(file).unwrap();
    tree.cut_power();
    let bytes = tree.read(file, 0, 9000).unwrap();
    assert!(bytes[..100].iter().all(|byte| *byte == 7) && bytes[100..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_torn_write_leaves_some_sectors_and_nothing_of_what_was_synced_is_touched() {
    let mut tree = Tree::default();
    tree.tear_writes(7);
    let file = tree.create_file(ROOT, name("a")).unwrap();
    tree.write(file, 0, &[1; 8192]).unwrap();
    tree.sync(file).unwrap();
    tree.sync(ROOT).unwrap();
    tree.write(file, 8192, &[2; 64 * 512]).unwrap();
    tree.cut_power();
    assert_eq!(tree.read(file, 0, 8192).unwrap(), &[1; 8192]);
    let torn = tree.read(file, 8192, 64 * 512).unwrap();
    let arrived = torn.chunks(512).filter(|sector| sector.iter().all(|byte| *byte == 2)).count();
    assert!((8..56).contains(&arrived), "{arrived} of 64 sectors");
}

#[test]
fn after_a_failed_sync_the_next_one_succeeds_and_the_bytes_are_gone() {
    let mut tree = Tree::default();
    let file = tree.create_file(ROOT, name("a")).unwrap();
    tree.sync(ROOT).unwrap();
    tree.write(file, 0, b"kept").unwrap();
    tree.sync(file).unwrap();
    tree.write(file, 0, b"gone").unwrap();
    tree.set_fault(DiskFault::SyncFails);
    assert_eq!(tree.sync(file), Err(Errno::EIO));
    tree.set_fault(DiskFault::None);
    assert_eq!(tree.sync(file), Ok(()));
    assert_eq!(tree.read(file, 0, 9).unwrap(), b"kept");
    tree.cut_power();
    assert_eq!(tree.read(file, 0, 9).unwrap(), b"kept");
}

#[test]
fn a_full_disk_takes_what_needs_no_room() {
    let mut tree = Tree::default();
    let file = tree.create_file(ROOT, name("a")).unwrap();
    tree.write(file, 0, b"abc").unwrap();
    tree.set_fault(DiskFault::Full);
    assert_eq!(tree.write(file, 0, b"xyz"), Ok(()));
    assert_eq!(tree.write(file, 3, b"d"), Err(Errno::ENOSPC));
    assert_eq!(tree.create_file(ROOT, name("b")), Err(Errno::ENOSPC));
    tree.set_fault(DiskFault::ReadOnly);
    assert_eq!(tree.write(file, 0, b"xyz"), Err(Errno::EROFS));
    assert_eq!(tree.remove(ROOT, name("a")), Err(Errno::EROFS));
}

#[test]
fn a_mounted_disk_forgets_what_real_programs_did_not_sync() {
    let mut disk = match Disk::mount() {
        Ok(disk) => disk,
        Err(fault) => return crate::skip::without_mount(&fault),
    };
    let path = disk.path();
    let mut file = File::create(path.join("a")).unwrap();
    file.write_all(b"kept").unwrap();
    file.sync_all().unwrap();
    File::open(&path).unwrap().sync_all().unwrap();
    file.write_all(b" lost").unwrap();
    fs::write(path.join("b"), "lost").unwrap();
    assert_eq!(fs::read(path.join("a")).unwrap(), b"kept lost");
    drop(file);

    disk.cut_power().unwrap();
    assert_eq!(fs::read(path.join("a")).unwrap(), b"kept");
    assert!(!path.join("b").exists());
}

#[test]
fn what_a_failed_sync_lost_is_seen_until_the_cache_drops_it() {
    let disk = match Disk::mount() {
        Ok(disk) => disk,
        Err(fault) => return crate::skip::without_mount(&fault),
    };
    let path = disk.path().join("a");
    let mut file = File::create(&path).unwrap();
    file.write_all(&[1; 8192]).unwrap();
    file.sync_all().unwrap();
    disk.set_fault(DiskFault::SyncFails);
    file.write_all(&[2; 8192]).unwrap();
    assert!(file.sync_all().is_err());
    disk.set_fault(DiskFault::None);
    file.sync_all().unwrap();
    let second = |path: &std::path::Path| fs::read(path).unwrap()[8192..].to_vec();
    assert_eq!(second(&path), [2; 8192]);
    nix::fcntl::posix_fadvise(&file, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    assert_eq!(second(&path), [0; 8192]);
}
