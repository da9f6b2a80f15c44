//! However often and however overlapped batches are sent, every reading stands once and counts once.

#![expect(clippy::unwrap_used, reason = "what a test's helpers cannot do, the test cannot either")]

use std::sync::Arc;
use std::time::Duration;

use penstock_shared::answer::FrameAnswer;
use penstock_shared::id::CommitNumber;
use penstock_tests::chance::Chance;
use penstock_tests::frames::{Gateway, post};
use penstock_tests::recount::{SETTLE, stored_once_and_counted_once};
use penstock_tests::rest::Rest;
use penstock_tests::world::{Hub, Mongod};
use tokio::task::JoinSet;

const CLIENTS: usize = 10;
const COMMITS: u64 = 120;
const READINGS_A_COMMIT: u64 = 37;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_batch_sent_by_ten_clients_at_once_stands_once() {
    let centre = Centre::start().await;
    let gateway = Gateway::new("twin", READINGS_A_COMMIT);
    let frame = Arc::new(gateway.frame(1..=COMMITS));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (rest, frame) = (centre.hub.rest(), Arc::clone(&frame));
        clients.spawn(async move { send(&rest, &frame).await });
    }
    for answer in clients.join_all().await {
        assert_eq!(answer, FrameAnswer::Have { have_through: CommitNumber(COMMITS) });
    }
    centre.holds(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_batches_of_ten_clients_count_every_reading_once() {
    let mut chance = Chance::seeded();
    let centre = Centre::start().await;
    let gateway = Gateway::new("overlap", READINGS_A_COMMIT);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let lengths: Vec<_> = (0..64).map(|_| chance.number(1..9) as u64).collect();
        clients.spawn(send_all(centre.hub.rest(), gateway.clone(), lengths));
    }
    clients.join_all().await;
    // Once everything is there, the oldest batch of all arrives a last time.
    let rest = centre.hub.rest();
    let answer = send(&rest, &gateway.frame(1..=3)).await;
    assert_eq!(answer, FrameAnswer::Have { have_through: CommitNumber(COMMITS) });
    centre.holds(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_leaves_a_gap_is_told_where_to_go_on() {
    let centre = Centre::start().await;
    let gateway = Gateway::new("gap", READINGS_A_COMMIT);
    let rest = centre.hub.rest();
    let nothing = FrameAnswer::Gap { have_through: CommitNumber::NONE };
    assert_eq!(send(&rest, &gateway.frame(5..=6)).await, nothing);
    assert_eq!(send(&rest, &gateway.frame(1..=4)).await, FrameAnswer::Have { have_through: CommitNumber(4) });
    assert_eq!(send(&rest, &gateway.frame(6..=6)).await, FrameAnswer::Gap { have_through: CommitNumber(4) });
    let (_, answers) = post(&rest, &[gateway.frame(5..=60), gateway.frame(61..=COMMITS)]).await.unwrap();
    assert_eq!(
        answers.unwrap().answers.last(),
        Some(&FrameAnswer::Have { have_through: CommitNumber(COMMITS) })
    );
    centre.holds(&gateway).await;
}

/// A mongod and a hub, and no agent but the test itself.
struct Centre {
    hub: Hub,
    mongod: Mongod,
    _directory: tempfile::TempDir,
}

impl Centre {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mongod = Mongod::start(directory.path()).await;
        let hub = Hub::start(directory.path(), "hub", &mongod.uri(), "").await;
        Self { hub, mongod, _directory: directory }
    }

    async fn holds(&self, gateway: &Gateway) {
        let records = [gateway.record(COMMITS)];
        let verdict = stored_once_and_counted_once(SETTLE, &self.mongod, &self.hub.rest(), &records).await;
        assert_eq!(verdict.stored, COMMITS * READINGS_A_COMMIT);
    }
}

/// Sends a frame, again while the hub asks to come back later, and returns its fate.
async fn send(rest: &Rest, frame: &[u8]) -> FrameAnswer {
    loop {
        let (status, answers) = post(rest, &[frame.to_vec()]).await.unwrap();
        match answers {
            Some(mut answers) => return answers.answers.remove(0),
            None if matches!(status.as_u16(), 429 | 503) => {
                tokio::time::sleep(Duration::from_millis(200)).await
            }
            None => panic!("{status}"),
        }
    }
}

/// Sends everything from the start, in batches of the lengths given, going on where the hub says.
async fn send_all(rest: Rest, gateway: Gateway, lengths: Vec<u64>) {
    let mut have = 0;
    for length in lengths.iter().cycle() {
        if have >= COMMITS {
            return;
        }
        let last = (have + length).min(COMMITS);
        have = match send(&rest, &gateway.frame(have + 1..=last)).await {
            FrameAnswer::Have { have_through } | FrameAnswer::Gap { have_through } => have_through.0,
            other => panic!("{other:?}"),
        };
    }
}
