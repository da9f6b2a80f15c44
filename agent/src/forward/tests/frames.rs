//! What goes into a frame, and what becomes of a commit that no hub will ever take.

use std::time::Duration;

use penstock_shared::batch::GapReason;
use penstock_shared::id::CommitNumber;
use penstock_shared::reading::{Reading, TimestampMicros, Value};

use super::fake_hub::eventually;
use super::{World, series};

#[tokio::test]
async fn one_poisoned_commit_is_set_aside_and_the_rest_arrives() {
    let mut world = World::new().await;
    world.hub.with(|ledger| ledger.poison = Some(CommitNumber(7)));
    world.append(20);
    world.forward();
    world.until_drained().await;
    world.hub.with(|ledger| {
        let expected: Vec<u64> = (1..=20).filter(|number| *number != 7).collect();
        assert_eq!(ledger.commits(), expected);
        let gaps: Vec<_> = ledger.batches.iter().flat_map(|batch| &batch.gaps).collect();
        assert_eq!((gaps.len(), gaps[0].reason, gaps[0].readings), (1, GapReason::Refused, 10));
    });
    let counts = world.buffer.counts();
    assert_eq!((counts.stored, counts.dead_lettered, counts.buffered), (190, 10, 0));
    let letters = world.buffer.newest_dead_letters(100).unwrap();
    assert_eq!(
        (letters.len(), letters[0].reason.as_str(), letters[0].detail.as_str()),
        (10, "refused", "poison")
    );
    world.stop().await;
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_sent_in_parts() {
    let mut world = World::new().await;
    world.hub.with(|ledger| ledger.most_readings = Some(30));
    world.append(20);
    world.forward();
    world.until_drained().await;
    world.hub.with(|ledger| assert_eq!(ledger.readings(), 200));
    assert_eq!(world.buffer.counts().dead_lettered, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_commit_that_is_too_large_even_alone_becomes_dead_letters() {
    let mut world = World::new().await;
    world.hub.with(|ledger| ledger.most_readings = Some(9));
    world.append(1);
    world.forward();
    eventually("commit set aside", || world.buffer.counts().dead_lettered == 10).await;
    assert!(world.buffer.counts().is_balanced());
    world.stop().await;
}

/// A clock that went wrong after it was set gives times that the frame's reader refuses, here as at the hub.
#[tokio::test]
async fn a_commit_whose_frame_does_not_open_becomes_dead_letters_to_the_bit_and_the_rest_arrives() {
    let mut world = World::new().await;
    let values = [Value::Number(0.1), Value::Number(-0.0), Value::Boolean(true), Value::Text("é".to_owned())];
    let reading = |value| Reading { series: series("gw/late"), time: TimestampMicros(i64::MAX), value };
    let lost: Vec<_> = values.into_iter().map(reading).collect();
    let received_at = TimestampMicros::now();
    world.append(2);
    world.append_commit(received_at, lost.clone());
    world.append(2);
    world.forward();
    world.until_drained().await;
    world.hub.with(|ledger| assert_eq!(ledger.commits(), [1, 2, 4, 5]));
    let letters = world.buffer.newest_dead_letters(100).unwrap();
    let payloads: Vec<_> = letters.iter().map(|letter| letter.payload.clone()).collect();
    let expected: Vec<_> = lost.iter().map(|reading| serde_json::to_vec(reading).unwrap()).collect();
    assert_eq!(payloads, expected);
    assert!(
        letters.iter().all(|letter| letter.origin == "hub, commit 3" && letter.arrived_at == received_at)
    );
    assert!(world.buffer.counts().is_balanced());
    world.stop().await;
}

#[tokio::test]
async fn commits_of_more_series_than_a_frame_tells_of_are_sent_in_parts() {
    let mut world = World::new().await;
    let time = TimestampMicros::now();
    for (commit, count) in [1000, 1000, 1000, 1000, 1000, 1000, 1000, 2048].into_iter().enumerate() {
        let source = |at: usize| series(&format!("gw/{commit}-{at}"));
        let reading = |at| Reading { series: source(at), time, value: Value::Number(1.0) };
        world.append_commit(time, (0..count).map(reading).collect());
    }
    world.forward();
    world.until_drained().await;
    world.hub.with(|ledger| {
        assert_eq!(ledger.commits(), (1..=8).collect::<Vec<_>>());
        assert!(ledger.batches.len() > 1);
    });
    assert_eq!(world.buffer.counts().dead_lettered, 0);
    world.stop().await;
}

#[tokio::test]
async fn what_found_no_room_in_a_batch_of_long_texts_does_not_wait_for_company() {
    let mut world = World::new().await;
    (world.settings.linger, world.settings.batch_readings) = (Duration::from_secs(3600), 100);
    let text = Value::Text("x".repeat(16 << 10));
    let time = TimestampMicros::now();
    for _ in 0..100 {
        let reading = Reading { series: series("gw/camera"), time, value: text.clone() };
        world.append_commit(time, vec![reading]);
    }
    world.forward();
    eventually("all but the last few are there", || world.hub.with(|ledger| ledger.readings() >= 90)).await;
    world.hub.with(|ledger| assert!(ledger.batches.iter().all(|batch| batch.commits.len() <= 32)));
    world.stop().await;
}
