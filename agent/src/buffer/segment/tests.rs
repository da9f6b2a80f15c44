//! What a segment promises in each of its forms.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use penstock_shared::batch::Commit;
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use proptest::prelude::*;

use super::super::entry::Totals;
use super::*;

fn encoded(number: u64, text_bytes: usize) -> Vec<u8> {
    let noise: String = (0..text_bytes).map(|_| char::from(rand::random_range(33_u8..126))).collect();
    let series = Arc::new(Series::new("note", "gw/a").unwrap());
    let readings = [Reading { series, time: TimestampMicros(1), value: Value::Text(noise) }];
    let totals = Totals { readings: number, ..Totals::default() };
    Encoder::new().unwrap().encode(CommitNumber(number), TimestampMicros(1), totals, &readings).unwrap()
}

#[test]
fn commits_survive_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::open(&dir.path().join("s"), CommitNumber(1)).unwrap();
    for number in 1..=100 {
        segment.put(CommitNumber(number), &encoded(number, 50)).unwrap();
    }
    segment.make_durable().unwrap();
    drop(segment);
    let segment = Segment::open(&dir.path().join("s"), CommitNumber(1)).unwrap();
    let tail = segment.tail(CommitNumber(u64::MAX)).unwrap();
    assert_eq!(tail.last, Some(CommitNumber(100)));
    assert_eq!(tail.newest_whole.unwrap().totals.readings, 100);
    assert_eq!(segment.get(CommitNumber(101)).unwrap(), None);
}

/// Twenty commits, and behind them a part of another one, torn before it was fsynced.
fn torn(dir: &Path) {
    let segment = Segment::open(dir, CommitNumber(1)).unwrap();
    for number in 1..=20 {
        segment.put(CommitNumber(number), &encoded(number, 50)).unwrap();
    }
    segment.make_durable().unwrap();
    let durable = std::fs::metadata(dir.join("db")).unwrap().len();
    segment.put_some(CommitNumber(21), &encoded(21, 40_000), 0..5).unwrap();
    segment.make_durable().unwrap();
    drop(segment);
    let file = File::options().write(true).open(dir.join("db")).unwrap();
    file.write_all_at(&[0; 600], durable + 512).unwrap();
}

#[test]
fn a_log_that_is_torn_behind_what_was_durable_is_whole_while_it_is_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("s");
    torn(&dir);
    let segment = Segment::open(&dir, CommitNumber(1)).unwrap();
    let tail = segment.tail(CommitNumber(u64::MAX)).unwrap();
    assert_eq!(tail.last, Some(CommitNumber(20)));
    segment.put(CommitNumber(21), &encoded(21, 50)).unwrap();
    segment.make_durable().unwrap();
    assert_eq!(segment.tail(CommitNumber(u64::MAX)).unwrap().last, Some(CommitNumber(21)));
}

#[test]
fn a_closed_log_that_is_torn_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("s");
    torn(&dir);
    std::fs::write(dir.join(seal::FILE), b"").unwrap();
    assert!(matches!(Segment::open(&dir, CommitNumber(1)), Err(SegmentError::Damaged { .. })));
}

#[test]
fn a_log_of_which_nothing_was_durable_is_begun_anew_and_one_without_settings_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("s");
    std::fs::create_dir(&dir).unwrap();
    let mut segment = None;
    for torn in [&b""[..], b"segment_size: 524288\n\0\0\0\0"] {
        drop(segment.take());
        std::fs::write(dir.join("conf"), torn).unwrap();
        std::fs::write(dir.join("db"), b"").unwrap();
        let opened = Segment::open(&dir, CommitNumber(1)).unwrap();
        assert_eq!(opened.tail(CommitNumber(u64::MAX)).unwrap().last, None);
        segment = Some(opened);
    }
    let segment = segment.unwrap();
    segment.put(CommitNumber(1), &encoded(1, 50)).unwrap();
    segment.make_durable().unwrap();
    drop(segment);
    std::fs::write(dir.join("conf"), b"").unwrap();
    assert!(matches!(Segment::open(&dir, CommitNumber(1)), Err(SegmentError::Damaged { .. })));
}

#[test]
fn the_largest_texts_make_no_blobs() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::open(&dir.path().join("s"), CommitNumber(1)).unwrap();
    for number in 1..=60 {
        segment.put(CommitNumber(number), &encoded(number, 48 * 1024)).unwrap();
        segment.make_durable().unwrap();
    }
    assert!(segment.get(CommitNumber(30)).unwrap().is_some());
    assert_eq!(std::fs::read_dir(dir.path().join("s/blobs")).unwrap().count(), 0);
}

#[test]
fn small_extents_make_no_blobs_either() {
    let extent = Extent::for_segments(0);
    for (commits, text_bytes) in [(2_000, 10), (300, 400), (40, 5_000), (3, 48 * 1024)] {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment::open_with(&dir.path().join("s"), CommitNumber(1), extent).unwrap();
        for number in 1..=commits {
            segment.put(CommitNumber(number), &encoded(number, text_bytes)).unwrap();
            segment.make_durable().unwrap();
            if segment.data_bytes() >= 16 * extent.bytes() {
                break;
            }
        }
        assert_eq!(std::fs::read_dir(dir.path().join("s/blobs")).unwrap().count(), 0, "{text_bytes}");
    }
}

#[test]
fn a_commit_without_all_its_pieces_was_never_there() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::open(&dir.path().join("s"), CommitNumber(1)).unwrap();
    segment.put(CommitNumber(1), &encoded(1, 50)).unwrap();
    segment.put(CommitNumber(2), &encoded(2, 20_000)).unwrap();
    let Form::Log(log) = &segment.form else { panic!("not a log") };
    log.guarded(|db| db.remove(log::key(CommitNumber(2), 2))).unwrap();
    assert_eq!(segment.tail(CommitNumber(u64::MAX)).unwrap().last, Some(CommitNumber(1)));
    assert_eq!(segment.next_at(CommitNumber(2)).unwrap(), None);
}

#[test]
fn a_torn_snapshot_heals() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    for number in 1..=3 {
        let segment = Segment::open(&path, CommitNumber(1)).unwrap();
        segment.put(CommitNumber(number), &encoded(number, 50)).unwrap();
        segment.make_durable().unwrap();
    }
    std::fs::write(path.join("snap.00000000FFFFFFFF.generating"), b"torn").unwrap();
    std::fs::write(path.join("snap.00000000FFFFFFFF"), b"torn as well, but renamed").unwrap();
    let segment = Segment::open(&path, CommitNumber(1)).unwrap();
    assert_eq!(segment.tail(CommitNumber(u64::MAX)).unwrap().last, Some(CommitNumber(3)));
}

/// What a gateway may hold, with what a frame refuses among it: times before the clock was set.
fn commits() -> impl Strategy<Value = Vec<StoredCommit>> {
    let value = prop_oneof![
        4 => (-1.0e6..1.0e6_f64).prop_map(|number| Value::Number((number * 100.0).round() / 100.0)),
        1 => any::<f64>().prop_filter("stored numbers are finite", |number| number.is_finite()).prop_map(Value::Number),
        1 => Just(Value::Number(-0.0)),
        1 => any::<bool>().prop_map(Value::Boolean),
        1 => ".{0,40}".prop_map(Value::Text),
    ];
    let time = prop_oneof![9 => 1_700_000_000_000_000..1_800_000_000_000_000_i64, 1 => -9_000_000_000_000_000_000..0_i64];
    let reading = (0..5_u8, time, value).prop_map(|(series, time, value)| {
        let series = Arc::new(Series::new(format!("type{series}"), "gw/a").unwrap());
        Reading { series, time: TimestampMicros(time), value }
    });
    let commit = (prop::collection::vec(reading, 0..6), 1..4_u64, 0..3_u64, 0..1_000_000_i64);
    prop::collection::vec(commit, 1..60).prop_map(|parts| {
        let (mut number, mut totals, mut received_at) = (0, Totals::default(), 1_700_000_000_000_000);
        let stored = parts.into_iter().map(|(readings, step, letters, pause)| {
            // Mostly without a hole.
            number += if step == 3 { 7 } else { 1 };
            received_at += pause;
            totals.readings += readings.len() as u64;
            totals.dead_lettered += letters;
            let commit = Commit { number: CommitNumber(number), readings };
            StoredCommit { commit, received_at: TimestampMicros(received_at), totals }
        });
        stored.collect()
    })
}

fn freeze(dir: &Path, commits: &[StoredCommit]) -> Segment {
    std::fs::create_dir_all(dir).unwrap();
    let mut freezer = Freezer::begin(dir).unwrap();
    for stored in commits {
        freezer.push(stored.clone()).unwrap();
    }
    freezer.finish().unwrap();
    Segment::open(dir, CommitNumber(1)).unwrap()
}

/// Compares to the bit: the two zeros are not the same.
fn bits(stored: &StoredCommit) -> String {
    format!("{stored:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_frozen_segment_holds_what_was_put_into_it(commits in commits()) {
        let dir = tempfile::tempdir().unwrap();
        let segment = freeze(dir.path(), &commits);
        let mut next = Some(CommitNumber(1));
        for stored in &commits {
            let number = stored.commit.number;
            prop_assert_eq!(segment.next_at(next.unwrap()).unwrap(), Some(number));
            prop_assert_eq!(bits(&segment.get(number).unwrap().unwrap()), bits(stored));
            next = Some(number.next());
        }
        prop_assert_eq!(segment.next_at(next.unwrap()).unwrap(), None);
        let last = commits.last().unwrap().commit.number;
        prop_assert_eq!(segment.last_number(CommitNumber(u64::MAX)).unwrap(), Some(last));
        let numbers: Vec<_> = commits.iter().map(|stored| stored.commit.number).collect();
        for number in (1..=last.0).map(CommitNumber).filter(|number| !numbers.contains(number)) {
            prop_assert_eq!(segment.get(number).unwrap(), None);
        }
    }

    #[test]
    fn a_damaged_frozen_segment_tells_nothing_wrong(
        commits in commits(), places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        drop(freeze(dir.path(), &commits));
        let path = dir.path().join(frozen::FILE);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        for (place, byte) in places {
            let at = place.index(usize::try_from(file.metadata().unwrap().len()).unwrap());
            file.write_all_at(&[byte], at as u64).unwrap();
        }
        let segment = Segment::open(dir.path(), CommitNumber(1)).unwrap();
        for stored in &commits {
            match segment.get(stored.commit.number) {
                Ok(Some(read)) => prop_assert_eq!(bits(&read), bits(stored)),
                Ok(None) | Err(SegmentError::Entry { .. }) => {}
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
        }
    }
}

fn calm(numbers: std::ops::RangeInclusive<u64>) -> Vec<StoredCommit> {
    let commits = numbers.map(|number| {
        let series = Arc::new(Series::new("temperature", format!("gw/{}", number % 50)).unwrap());
        let time = TimestampMicros(1_700_000_000_000_000 + i64::try_from(number).unwrap() * 10_000);
        let value = Value::Number(20.0 + f64::from(u32::try_from(number % 7).unwrap()) / 10.0);
        let commit = Commit { number: CommitNumber(number), readings: vec![Reading { series, time, value }] };
        StoredCommit { commit, received_at: time, totals: Totals { readings: number, ..Totals::default() } }
    });
    commits.collect()
}

#[test]
fn damage_costs_its_block_alone() {
    let dir = tempfile::tempdir().unwrap();
    let commits = calm(1..=20_000);
    drop(freeze(dir.path(), &commits));
    let path = dir.path().join(frozen::FILE);
    let whole = std::fs::read(&path).unwrap();
    // In a body, in a head, and at the end.
    for at in [100, 0, 8, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&path, &damaged).unwrap();
        let segment = Segment::open(dir.path(), CommitNumber(1)).unwrap();
        let read = commits.iter().filter(|stored| {
            segment.get(stored.commit.number).is_ok_and(|read| read.is_some_and(|read| read == **stored))
        });
        let lost = commits.len() - read.count();
        assert!((1..=4096).contains(&lost), "a flip at {at} costs {lost}");
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let segment = Segment::open(dir.path(), CommitNumber(1)).unwrap();
    assert!(segment.get(CommitNumber(1)).unwrap().is_some());
    assert!(segment.last_number(CommitNumber(u64::MAX)).unwrap() < Some(CommitNumber(20_000)));
}

#[test]
fn a_frozen_form_that_is_not_finished_counts_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let log = Segment::open(&path, CommitNumber(1)).unwrap();
    log.put(CommitNumber(1), &encoded(1, 50)).unwrap();
    log.make_durable().unwrap();
    let mut freezer = Freezer::begin(&path).unwrap();
    freezer.push(log.get(CommitNumber(1)).unwrap().unwrap()).unwrap();
    std::mem::forget(freezer);
    drop(log);
    let log = Segment::open(&path, CommitNumber(1)).unwrap();
    assert!(!log.is_frozen());
    assert!(log.get(CommitNumber(1)).unwrap().is_some());
    assert!(!path.join(frozen::UNFINISHED).exists());
}

#[test]
fn a_frozen_form_replaces_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let log = Segment::open(&path, CommitNumber(1)).unwrap();
    log.put(CommitNumber(1), &encoded(1, 50)).unwrap();
    log.make_durable().unwrap();
    let stored = log.get(CommitNumber(1)).unwrap().unwrap();
    let mut freezer = Freezer::begin(&path).unwrap();
    freezer.push(stored.clone()).unwrap();
    freezer.finish().unwrap();
    // Whoever has the log open reads on; who opens it now gets the frozen form.
    let frozen = Segment::open(&path, CommitNumber(1)).unwrap();
    assert!(frozen.is_frozen());
    assert_eq!(log.get(CommitNumber(1)).unwrap().unwrap(), stored);
    drop(log);
    drop(frozen);
    let frozen = Segment::open(&path, CommitNumber(1)).unwrap();
    assert_eq!(frozen.get(CommitNumber(1)).unwrap().unwrap(), stored);
    let names: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [frozen::FILE]);
    assert_eq!(entry_of(&frozen), stored);
}

fn entry_of(segment: &Segment) -> StoredCommit {
    super::super::entry::decode(&segment.get_bytes(CommitNumber(1)).unwrap().unwrap()).unwrap()
}
