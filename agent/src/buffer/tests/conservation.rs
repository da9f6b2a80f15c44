//! Every record is somewhere: across reopenings, evictions, refusals and answers of the hub.

use penstock_shared::batch::{Gap, GapReason};
use penstock_shared::id::CommitNumber;
use penstock_shared::reading::TimestampMicros;
use penstock_shared::report::RecordCounts;

use super::world::{World, group, letter, noise, sent};
use crate::buffer::segment::Segment;
use crate::buffer::{AppendError, Buffer, BufferError, FullPolicy, Lane};

#[test]
fn counts_and_commits_survive_a_reopening() {
    let mut world = World::new();
    let epoch = world.buffer().epoch();
    world.append(3);
    world.buffer().append(&group(2, 4)).unwrap();
    world.append(5);
    world.confirm(CommitNumber(1));
    world.reopen();
    let expected =
        RecordCounts { received: 14, stored: 3, buffered: 7, dead_lettered: 4, ..Default::default() };
    assert_eq!(world.buffer().counts(), expected);
    assert_eq!(world.buffer().epoch(), epoch);
    assert_eq!(world.append(1), CommitNumber(4));
    world.assert_balanced();
}

#[test]
fn a_crash_that_forgets_confirmations_still_balances() {
    let mut world = World::new();
    world.append(3);
    world.append(4);
    world.buffer().checkpoint().unwrap();
    let state = std::fs::read(world.settings.dir.join("state")).unwrap();
    world.confirm(CommitNumber(2));
    world.append(5);
    world.close();
    std::fs::write(world.settings.dir.join("state"), state).unwrap();
    world.reopen();
    assert_eq!(world.buffer().counts(), RecordCounts { received: 12, buffered: 12, ..Default::default() });
    world.confirm(CommitNumber(2));
    assert_eq!(world.buffer().counts().stored, 7);
    world.assert_balanced();
}

#[test]
fn dead_letters_alone_make_an_empty_commit() {
    let world = World::new();
    let number = world.buffer().append(&group(0, 2)).unwrap();
    assert_eq!(number, CommitNumber(1));
    assert_eq!(world.read_all().commits[0].commit.readings, []);
    assert_eq!(world.buffer().newest_dead_letters(10).unwrap(), [letter(0), letter(1)]);
    world.assert_balanced();
}

#[test]
fn a_large_group_becomes_several_commits() {
    let world = World::new();
    let last = world.append(10_000);
    assert!(last > CommitNumber(1));
    assert_eq!(world.readings_on_disk(), 10_000);
}

#[test]
fn confirmed_segments_leave_the_disk() {
    let world = World::small(FullPolicy::DropOldest);
    world.fill_segments(4);
    let (last, _) = world.buffer().newest();
    world.confirm(last);
    assert_eq!(world.segment_names().len(), 1);
    world.assert_balanced();
}

#[test]
fn the_quota_drops_the_oldest_segments_and_declares_them() {
    let world = World::small(FullPolicy::DropOldest);
    for _ in 0..200 {
        world.buffer().append(&noise()).unwrap();
    }
    assert!(world.buffer().bytes_on_disk() <= world.settings.quota_bytes);
    let counts = world.buffer().counts();
    assert!(counts.evicted > 0);
    let run = world.read_all();
    let first = run.commits[0].commit.number;
    let gap = Gap {
        first: CommitNumber(1),
        last: first.previous(),
        readings: counts.evicted,
        reason: GapReason::Evicted,
    };
    assert_eq!(run.gaps, [gap]);
    world.assert_balanced();
}

#[test]
fn what_is_missing_is_told_by_the_time_of_its_arrival() {
    let mut world = World::small(FullPolicy::DropOldest);
    let before = TimestampMicros::now();
    while world.buffer().counts().evicted < 40 {
        world.buffer().append(&noise()).unwrap();
    }
    let missing = world.buffer().missing();
    assert_eq!(missing.len(), 1, "one span, however many segments: {missing:?}");
    let span = missing[0];
    assert_eq!((span.readings, span.reason), (world.buffer().counts().evicted, GapReason::Evicted));
    assert!(before <= span.from && span.from < span.to && span.to <= TimestampMicros::now(), "{span:?}");
    world.reopen();
    assert_eq!(world.buffer().missing(), missing);
}

#[test]
fn evictions_are_remembered_across_a_reopening() {
    let mut world = World::small(FullPolicy::DropOldest);
    for _ in 0..200 {
        world.buffer().append(&noise()).unwrap();
    }
    let counts = world.buffer().counts();
    let gaps = world.read_all().gaps;
    world.reopen();
    assert_eq!(world.buffer().counts(), counts);
    assert_eq!(world.read_all().gaps, gaps);
    world.assert_balanced();
}

#[test]
fn a_full_buffer_that_blocks_refuses_until_the_hub_confirms() {
    let world = World::small(FullPolicy::Block);
    let refused = (0..1000).find_map(|_| world.buffer().append(&noise()).err());
    assert!(matches!(refused, Some(AppendError::Full)), "{refused:?}");
    assert_eq!(world.buffer().counts().evicted, 0);
    assert_eq!(world.buffer().faults().len(), 1);
    world.confirm(world.buffer().newest().0);
    world.append(1);
    assert!(world.buffer().faults().is_empty());
    world.assert_balanced();
}

#[test]
fn a_commit_that_was_evicted_in_flight_but_arrived_counts_as_stored() {
    let world = World::small(FullPolicy::DropOldest);
    world.append(7);
    let run = world.read_all();
    while world.buffer().counts().evicted == 0 {
        world.buffer().append(&noise()).unwrap();
    }
    world.buffer().confirm(Lane::Main, CommitNumber(1), &sent(&run)).unwrap();
    assert_eq!(world.buffer().counts().stored, 7);
    world.assert_balanced();
}

#[test]
fn a_refused_commit_is_a_dead_letter_and_a_gap() {
    let mut world = World::new();
    world.append(2);
    world.append(3);
    world.append(4);
    let run = world.read_all();
    world.buffer().refuse(&sent(&run)[1], &[letter(1), letter(2), letter(3)]).unwrap();
    world.confirm(CommitNumber(1));
    world.reopen();
    let run = world.read_all();
    assert_eq!(run.commits[0].commit.number, CommitNumber(3));
    let gap = Gap { first: CommitNumber(2), last: CommitNumber(2), readings: 3, reason: GapReason::Refused };
    assert_eq!(run.gaps, [gap]);
    world.confirm(CommitNumber(3));
    let expected = RecordCounts { received: 9, stored: 6, dead_lettered: 3, ..Default::default() };
    assert_eq!(world.buffer().counts(), expected);
}

#[test]
fn a_hub_that_lost_its_store_gets_what_is_still_there_and_a_gap_for_the_rest() {
    let world = World::small(FullPolicy::DropOldest);
    world.fill_segments(3);
    let (last, _) = world.buffer().newest();
    world.confirm(last);
    world.append(1);
    let run = world.buffer().read(Lane::Main, CommitNumber(1), &super::world::EVERYTHING).unwrap();
    assert_eq!(run.gaps.len(), 1);
    assert_eq!(run.gaps[0].reason, GapReason::TrimmedEarlier);
    assert_eq!(run.commits.last().unwrap().commit.number, last.next());
    world.assert_balanced();
}

#[test]
fn two_agents_cannot_share_a_buffer() {
    let world = World::new();
    assert!(matches!(Buffer::open(world.settings.clone()), Err(BufferError::InUse(_))));
}

#[test]
fn a_fresh_buffer_never_repeats_an_epoch() {
    assert_ne!(World::new().buffer().epoch(), World::new().buffer().epoch());
}

#[test]
fn below_the_floor_nothing_is_accepted() {
    let world = World::with(|settings| settings.min_free_bytes = u64::MAX);
    assert!(matches!(world.buffer().append(&group(1, 0)), Err(AppendError::BelowFloor { .. })));
    assert_eq!(world.buffer().counts(), RecordCounts::default());
}

#[test]
fn a_cut_right_behind_a_new_segment_forgets_nothing_of_the_closed_one() {
    let mut world = World::small(FullPolicy::DropOldest);
    world.append(3);
    world.buffer().checkpoint().unwrap();
    let state = std::fs::read(world.settings.dir.join("state")).unwrap();
    world.fill_segments(2);
    let (closed, active) = (world.buffer().segments()[0].clone(), world.buffer().segments()[1].first);
    world.close();
    // The state of before, and nothing in the active segment.
    std::fs::write(world.settings.dir.join("state"), state).unwrap();
    let dir = world.segment_dir(1);
    std::fs::remove_dir_all(&dir).unwrap();
    drop(Segment::open(&dir, active).unwrap());
    world.reopen();
    assert_eq!(world.buffer().counts().received, closed.readings);
    world.assert_balanced();
    world.append(5);
    world.confirm(world.buffer().newest().0);
    let counts = world.buffer().counts();
    assert_eq!((counts.stored, counts.buffered, counts.evicted), (closed.readings + 5, 0, 0));
}

#[test]
fn a_segment_that_is_gone_is_not_made_anew_by_who_looks_for_it() {
    let world = World::small(FullPolicy::DropOldest);
    world.fill_segments(2);
    let gone = world.buffer().segments()[0].clone();
    world.confirm(gone.last);
    let looked_for = world.buffer().shared.segment(gone.first);
    assert!(looked_for.is_err_and(|error| error.is_retryable()));
    assert_eq!(world.segment_names().len(), 1);
}
