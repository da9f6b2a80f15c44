//! The ledger under a thousand slow gateways, beside one that sends one small batch after another.

use std::time::Instant;

use penstock_shared::answer::FrameAnswer;
use penstock_tests::frames::{Gateway, post};
use penstock_tests::rest::Rest;
use penstock_tests::world::{Hub, Mongod};
use tokio::task::JoinSet;

use crate::hub::UNLIMITED;
use crate::table::{Goal, Table, rate};

const GATEWAYS: u64 = 1000;
const BATCHES_EACH: u64 = 5;
const READINGS_A_BATCH: u64 = 10;
const BATCHES_ALONE: u64 = 300;

pub(crate) async fn measure(table: &mut Table) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mongod = Mongod::start(directory.path()).await;
    let hub = Hub::start(directory.path(), "hub", &mongod.uri(), UNLIMITED).await;

    let started = Instant::now();
    send(hub.rest(), Gateway::new("alone", READINGS_A_BATCH), BATCHES_ALONE).await;
    let alone = BATCHES_ALONE as f64 / started.elapsed().as_secs_f64();

    let started = Instant::now();
    let mut gateways = JoinSet::new();
    for number in 0..GATEWAYS {
        let gateway = Gateway::new(&format!("slow{number}"), READINGS_A_BATCH);
        gateways.spawn(send(hub.rest(), gateway, BATCHES_EACH));
    }
    gateways.join_all().await;
    let together = (GATEWAYS * BATCHES_EACH) as f64 / started.elapsed().as_secs_f64();
    table.add(
        "ledger: 1,000 gateways with batches of 10",
        rate(together, "batches"),
        format!("one gateway, one batch after another {}", rate(alone, "batches")),
        (together / alone, " ×"),
        Goal::None,
    );
}

async fn send(rest: Rest, gateway: Gateway, batches: u64) {
    for commit in 1..=batches {
        let (status, answers) =
            post(&rest, &[gateway.frame(commit..=commit)]).await.expect("the hub answers");
        let stored = answers.is_some_and(|answers| matches!(answers.answers[..], [FrameAnswer::Have { .. }]));
        assert!(stored, "{status}");
    }
}
