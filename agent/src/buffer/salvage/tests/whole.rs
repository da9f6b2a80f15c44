//! From a segment that is whole everything is read, and nothing seems broken.

use penstock_shared::id::CommitNumber;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::super::{Salvage, Sighting, look};
use super::{ALL, Sizes, Written, entry, salvaged};
use crate::buffer::extent::Extent;
use crate::buffer::segment::Segment;

#[test]
fn everything_written_is_found() {
    for sizes in Sizes::ALL {
        // The numbers' beginnings change within the segment, so that keys are cut to different lengths.
        for (seed, first) in [(1, 1), (2, 250), (3, 65_400), (4, (1 << 40) - 30)] {
            let written = Written::new(sizes, first, seed);
            assert_eq!(written.missing(), 0, "{sizes:?} from {first}");
            let whole = Sighting { is_written: true, ..Sighting::default() };
            assert_eq!(look(&written.path()).unwrap(), whole, "{sizes:?} from {first}");
        }
    }
}

#[test]
fn logs_of_small_extents_are_read_too_whatever_their_settings_say() {
    for segment_bytes in [0, 256 << 10, 2 << 20] {
        let extent = Extent::for_segments(segment_bytes);
        for sizes in Sizes::ALL {
            let written = Written::with(sizes, 1, 8, extent);
            assert_eq!(written.missing(), 0, "{sizes:?} in {extent:?}");
            assert_eq!(look(&written.path()).unwrap().breaks, 0, "{sizes:?} in {extent:?}");
            std::fs::write(written.path().join("conf"), b"segment_size: 1048576").unwrap();
            assert_eq!(written.missing(), 0, "{sizes:?} in {extent:?}");
        }
    }
}

#[test]
fn neither_snapshots_nor_settings_are_needed() {
    let written = Written::new(Sizes::Mixed, 1, 5);
    for file in std::fs::read_dir(written.path()).unwrap().flatten() {
        if file.file_name() != "db" && file.path().is_file() {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    assert_eq!(written.missing(), 0);
}

#[test]
fn only_numbers_within_the_bounds_count() {
    let written = Written::new(Sizes::Small, 100, 6);
    let salvage = Salvage::of(&written.path(), CommitNumber(150)..=CommitNumber(160)).unwrap().unwrap();
    assert_eq!(salvage.numbers().map(|number| number.0).collect::<Vec<_>>(), (150..=160).collect::<Vec<_>>());
    assert_eq!(salvaged(&written.path()).len(), written.entries.len());
}

#[test]
fn a_commit_without_all_its_pieces_is_none_and_its_number_may_be_used_again() {
    for retry_bytes in [40, 20_000, 30_000] {
        let mut random = StdRng::seed_from_u64(7);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let segment = Segment::open(&path, CommitNumber(1)).unwrap();
        segment.put(CommitNumber(1), &entry(1, 1, 40, &mut random)).unwrap();
        let torn = entry(2, 2, 20_000, &mut random);
        segment.put_some(CommitNumber(2), &torn, 0..2).unwrap();
        segment.make_durable().unwrap();
        drop(segment);
        assert_eq!(salvaged(&path).keys().copied().collect::<Vec<_>>(), [1]);
        let segment = Segment::open(&path, CommitNumber(1)).unwrap();
        segment.tail(CommitNumber(u64::MAX)).unwrap();
        let retry = entry(2, 2, retry_bytes, &mut random);
        segment.put(CommitNumber(2), &retry).unwrap();
        segment.make_durable().unwrap();
        drop(segment);
        assert!(salvaged(&path).get(&2) == Some(&retry));
    }
}

#[test]
fn a_segment_that_was_never_written_holds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Salvage::of(dir.path(), ALL).unwrap().is_none());
    assert_eq!(look(dir.path()).unwrap(), Sighting::default());
    drop(Segment::open(&dir.path().join("s"), CommitNumber(1)).unwrap());
    assert!(salvaged(&dir.path().join("s")).is_empty());
}
