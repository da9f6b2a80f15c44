//! Dead letters that are sent again: once, whatever a crash leaves of the notes.

use std::fs::File;
use std::sync::Arc;

use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};

use crate::buffer::{Buffer, BufferSettings, Group, Lane, Replay, ReplayError};
use crate::delivery::DeadLetter;

const RECORD_BYTES: u64 = 40;

fn open(dir: &tempfile::TempDir) -> Buffer {
    Buffer::open(BufferSettings { min_free_bytes: 0, ..BufferSettings::new(dir.path().join("b")) }).unwrap()
}

fn letter(number: usize) -> DeadLetter {
    DeadLetter {
        arrived_at: TimestampMicros(1),
        origin: "mqtt a/b".into(),
        reason: "bad_json".into(),
        detail: number.to_string(),
        payload: Vec::new(),
    }
}

fn readings(count: usize) -> Vec<Reading> {
    let series = Arc::new(Series::new("temperature", "gw/a").unwrap());
    let reading = |number| Reading {
        series: Arc::clone(&series),
        time: TimestampMicros(5),
        value: Value::Number(number as f64),
    };
    (0..count).map(reading).collect()
}

fn with_letters(dir: &tempfile::TempDir, count: usize) -> Buffer {
    let buffer = open(dir);
    let dead_letters = (1..=count).map(letter).collect();
    buffer.append(&Group { dead_letters, received_at: TimestampMicros(1), ..Group::default() }).unwrap();
    buffer
}

fn numbers(buffer: &Buffer) -> Vec<u64> {
    let page = buffer.dead_letters(u64::MAX, 100).unwrap();
    page.letters.iter().map(|(number, _)| *number).collect()
}

/// Takes the last note away, as a crash before it would have.
fn forget_last_note(dir: &tempfile::TempDir) {
    let file = File::options().write(true).open(dir.path().join("b/replays")).unwrap();
    file.set_len(file.metadata().unwrap().len() - RECORD_BYTES).unwrap();
}

#[test]
fn a_letter_that_was_sent_again_is_gone_and_the_books_balance() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = with_letters(&dir, 3);
    buffer.replay(Replay::Letter(2), readings(2)).unwrap();
    assert_eq!(numbers(&buffer), [1, 3]);
    assert!(buffer.dead_letter(2).unwrap().is_none());
    let counts = buffer.counts();
    assert_eq!((counts.received, counts.dead_lettered, counts.buffered), (4, 2, 2));
    assert!(counts.is_balanced());
    drop(buffer);
    let buffer = open(&dir);
    assert_eq!((numbers(&buffer), buffer.counts()), (vec![1, 3], counts));
    assert!(matches!(buffer.replay(Replay::Letter(2), readings(2)), Err(ReplayError::Done)));
    assert!(matches!(buffer.replay(Replay::Letter(9), readings(2)), Err(ReplayError::NoLetter(9))));
}

#[test]
fn a_crash_between_the_commit_and_its_note_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = with_letters(&dir, 2);
    buffer.replay(Replay::Letter(1), readings(2)).unwrap();
    drop(buffer);
    forget_last_note(&dir);
    let buffer = open(&dir);
    assert!(matches!(buffer.replay(Replay::Letter(1), readings(2)), Err(ReplayError::Done)));
    assert_eq!((numbers(&buffer), buffer.counts().buffered), (vec![2], 2));
}

#[test]
fn a_crash_between_the_intent_and_the_commit_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let buffer = with_letters(&dir, 2);
    drop(buffer);
    copy_tree(&dir.path().join("b"), &copy.path().join("b"));
    let buffer = open(&dir);
    buffer.replay(Replay::Letter(1), readings(2)).unwrap();
    drop(buffer);
    // The intent is on the disk, the commit is not.
    std::fs::copy(dir.path().join("b/replays"), copy.path().join("b/replays")).unwrap();
    forget_last_note(&copy);
    let buffer = open(&copy);
    // Another commit takes the number that was meant.
    buffer
        .append(&Group { readings: readings(1), received_at: TimestampMicros(1), ..Group::default() })
        .unwrap();
    assert_eq!(numbers(&buffer), [1, 2]);
    buffer.replay(Replay::Letter(1), readings(2)).unwrap();
    assert_eq!((numbers(&buffer), buffer.counts().buffered), (vec![2], 3));
}

#[test]
fn a_commit_that_the_hub_has_and_the_disk_no_more_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let settings = BufferSettings {
        min_free_bytes: 0,
        quota_bytes: 6 << 20,
        segment_bytes: 1 << 20,
        ..BufferSettings::new(dir.path().join("b"))
    };
    let buffer = Buffer::open(settings.clone()).unwrap();
    buffer
        .append(&Group { dead_letters: vec![letter(1)], received_at: TimestampMicros(1), ..Group::default() })
        .unwrap();
    buffer.replay(Replay::Letter(1), readings(2)).unwrap();
    let first = dir.path().join("b/segments/00000000000000000001");
    while first.exists() {
        buffer.append(&noise()).unwrap();
        let (newest, _) = buffer.newest();
        buffer.confirm(Lane::Main, newest, &[]).unwrap();
    }
    drop(buffer);
    forget_last_note(&dir);
    let buffer = Buffer::open(settings).unwrap();
    assert!(matches!(buffer.replay(Replay::Letter(1), readings(2)), Err(ReplayError::Done)));
}

fn noise() -> Group {
    let text = (0..30_000).map(|_| char::from(rand::random_range(33_u8..126))).collect();
    let series = Arc::new(Series::new("note", "gw/a").unwrap());
    let readings = vec![Reading { series, time: TimestampMicros(5), value: Value::Text(text) }];
    Group { readings, received_at: TimestampMicros(1), ..Group::default() }
}

#[test]
fn pages_go_back_from_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = with_letters(&dir, 300);
    let newest = buffer.dead_letters(u64::MAX, 2).unwrap();
    assert_eq!(newest.letters.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [299, 300]);
    assert_eq!(newest.older, 298);
    let before = buffer.dead_letters(299, 2).unwrap();
    assert_eq!(before.letters[0].1.detail, "297");
    assert_eq!(buffer.dead_letter(257).unwrap().unwrap().detail, "257");
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target)
        } else {
            std::fs::copy(&path, target).map(drop).unwrap()
        }
    }
}
