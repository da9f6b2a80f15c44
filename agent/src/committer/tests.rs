//! The committer over a real buffer.

use std::sync::mpsc as std_mpsc;

use penstock_shared::reading::{Reading, Series};

use super::*;
use crate::buffer::BufferSettings;
use crate::clock::ClockSettings;
use crate::config::{ExceptionSettings, LimitSettings, SeriesSettings};
use crate::delivery::DeadLetter;

type Outcomes = std_mpsc::Receiver<Result<(), NotCommitted>>;

fn deliveries(count: usize) -> (Vec<Delivery>, Outcomes) {
    let (report, outcomes) = std_mpsc::channel();
    let series = Arc::new(Series::new("temperature", "gw/a").unwrap());
    let deliveries = (0..count).map(|_| {
        let report = report.clone();
        Delivery {
            readings: vec![Reading {
                series: Arc::clone(&series),
                time: TimestampMicros(1),
                value: Value::Number(1.0),
            }],
            dead_letters: Vec::new(),
            done: Box::new(move |outcome| report.send(outcome).unwrap()),
        }
    });
    (deliveries.collect(), outcomes)
}

fn clock(dir: &tempfile::TempDir) -> Arc<Clock> {
    Arc::new(Clock::open(dir.path(), ClockSettings::default()))
}

fn keep_all() -> Edge {
    Edge::new(&[], LimitSettings::default())
}

fn buffer(dir: &tempfile::TempDir, min_free_bytes: u64) -> Buffer {
    Buffer::open(BufferSettings { min_free_bytes, ..BufferSettings::new(dir.path().join("buffer")) }).unwrap()
}

#[test]
fn every_delivery_is_acknowledged_once_and_only_when_it_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = buffer(&dir, 0);
    let (handle, thread) = spawn(buffer.clone(), CommitLimits::default(), keep_all(), clock(&dir)).unwrap();
    let (deliveries, outcomes) = deliveries(500);
    for delivery in deliveries {
        handle.try_submit(delivery).unwrap();
    }
    for acknowledged in 1..=500 {
        outcomes.recv().unwrap().unwrap();
        assert!(buffer.counts().received >= acknowledged);
    }
    drop(handle);
    thread.join().unwrap();
    assert!(outcomes.recv().is_err());
    assert_eq!(buffer.counts().received, 500);
}

#[test]
fn what_is_queued_at_the_end_is_still_committed() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = buffer(&dir, 0);
    let (handle, thread) = spawn(buffer.clone(), CommitLimits::default(), keep_all(), clock(&dir)).unwrap();
    let (deliveries, outcomes) = deliveries(100);
    for delivery in deliveries {
        handle.try_submit(delivery).unwrap();
    }
    drop(handle);
    thread.join().unwrap();
    assert_eq!(outcomes.iter().filter(Result::is_ok).count(), 100);
    assert_eq!(buffer.counts().received, 100);
}

#[test]
fn a_disk_that_refuses_withholds_every_acknowledgement() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, thread) =
        spawn(buffer(&dir, u64::MAX), CommitLimits::default(), keep_all(), clock(&dir)).unwrap();
    let (deliveries, outcomes) = deliveries(3);
    for delivery in deliveries {
        handle.try_submit(delivery).unwrap();
    }
    drop(handle);
    thread.join().unwrap();
    let outcomes: Vec<_> = outcomes.iter().collect();
    assert_eq!(outcomes.len(), 3);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(NotCommitted::Disk(_)))), "{outcomes:?}");
}

#[test]
fn a_full_queue_hands_the_delivery_back() {
    let (queue, _kept) = mpsc::channel(1);
    let handle = CommitHandle::over(queue);
    let (deliveries, outcomes) = deliveries(2);
    let mut results = deliveries.into_iter().map(|delivery| handle.try_submit(delivery));
    assert!(results.next().unwrap().is_ok());
    let refused = results.next().unwrap().unwrap_err();
    (refused.done)(Err(NotCommitted::Stopping));
    assert_eq!(outcomes.recv().unwrap(), Err(NotCommitted::Stopping));
}

#[test]
fn a_group_is_bounded_in_readings_and_bytes() {
    let limits =
        CommitLimits { queue_deliveries: 10, group_readings: 4, group_bytes: 1000, linger: Duration::ZERO };
    let (deliveries, _outcomes) = deliveries(6);
    let mut deliveries = deliveries.into_iter();
    assert_eq!(
        gather(&mut deliveries, &limits, &mut keep_all(), TimestampMicros(1)).acknowledgements.len(),
        4
    );
    assert_eq!(
        gather(&mut deliveries, &limits, &mut keep_all(), TimestampMicros(1)).acknowledgements.len(),
        2
    );
    let letter = || DeadLetter {
        arrived_at: TimestampMicros(1),
        origin: String::new(),
        reason: String::new(),
        detail: String::new(),
        payload: vec![0; 600],
    };
    let mut large = (0..3).map(|_| Delivery {
        readings: Vec::new(),
        dead_letters: vec![letter()],
        done: Box::new(|_| ()),
    });
    assert_eq!(gather(&mut large, &limits, &mut keep_all(), TimestampMicros(1)).acknowledgements.len(), 2);
}
fn only_changes() -> Edge {
    let exception = ExceptionSettings { deadband: Some(0.0), ..ExceptionSettings::default() };
    Edge::new(&[SeriesSettings { exception, ..SeriesSettings::default() }], LimitSettings::default())
}

#[test]
fn what_is_withheld_is_acknowledged_and_counted_as_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = buffer(&dir, 0);
    let edge = only_changes();
    let counts = edge.counts();
    let (handle, thread) = spawn(buffer.clone(), CommitLimits::default(), edge, clock(&dir)).unwrap();
    let (deliveries, outcomes) = deliveries(10);
    for delivery in deliveries {
        handle.try_submit(delivery).unwrap();
        outcomes.recv().unwrap().unwrap();
    }
    drop(handle);
    thread.join().unwrap();
    let books = buffer.counts();
    assert_eq!((books.received, books.buffered, books.rejected), (10, 1, 9));
    assert_eq!(counts.now(), Withheld { unchanged: 9, ..Withheld::default() });
    drop(buffer);
    let reopened = Buffer::open(BufferSettings::new(dir.path().join("buffer"))).unwrap();
    assert_eq!(reopened.counts(), books);
}

#[test]
fn a_reading_that_the_disk_refused_is_no_report_that_the_next_could_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = buffer(&dir, u64::MAX);
    let mut committer = Committer {
        buffer: buffer.clone(),
        limits: CommitLimits::default(),
        edge: only_changes(),
        clock: clock(&dir),
        tap: Arc::default(),
        pulse: Pulse::default(),
        rules: NewRules::default(),
        deliveries: mpsc::channel(1).1,
    };
    for _ in 0..2 {
        let (deliveries, outcomes) = deliveries(2);
        let gathered =
            gather(&mut deliveries.into_iter(), &committer.limits, &mut committer.edge, TimestampMicros(1));
        assert_eq!((gathered.group.readings.len(), gathered.group.rejected), (1, 1));
        committer.commit(gathered);
        assert!(outcomes.iter().all(|outcome| outcome.is_err()));
    }
    assert_eq!(buffer.counts().received, 0);
    assert_eq!(committer.edge.counts().now(), Withheld::default());
}

#[test]
fn a_linger_gathers_what_comes_one_by_one_into_one_commit() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = buffer(&dir, 0);
    // The end comes before the linger's, and it waits for nothing.
    let limits = CommitLimits { linger: Duration::from_secs(3600), ..CommitLimits::default() };
    let (handle, thread) = spawn(buffer.clone(), limits, keep_all(), clock(&dir)).unwrap();
    let (deliveries, outcomes) = deliveries(50);
    for delivery in deliveries {
        handle.try_submit(delivery).unwrap();
    }
    drop(handle);
    thread.join().unwrap();
    assert_eq!(outcomes.iter().filter(Result::is_ok).count(), 50);
    assert_eq!(buffer.newest().0.0, 1);
}
