//! With report by exception the store holds the changes, and the books still say where every record is.

use std::collections::BTreeMap;
use std::sync::Arc;

use penstock_tests::device::{Message, Pace, Progress, Publisher};
use penstock_tests::eventually::eventually;
use penstock_tests::recount::stored_readings;
use penstock_tests::world::World;

/// Each value is said so often in a row.
const REPEATS: u64 = 20;
const VALUES: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_change_is_acknowledged_counted_and_not_stored() {
    let rules = "[[series]]\ntype = \"level\"\ndeadband = 0\nmax = 49";
    let world = World::with().agent(rules).start().await;
    let publisher = Publisher {
        address: world.agent.listener(),
        client: "tank".into(),
        window: 20,
        pace: Pace::Unlimited,
        next: |attempt: u64| {
            let payload = (1 + (attempt - 1) / REPEATS).to_string().into_bytes();
            (attempt <= REPEATS * VALUES).then(|| Message { topic: "tank/level".into(), payload })
        },
        acknowledged: |_| {},
    };
    let progress = Arc::new(Progress::default());
    publisher.run(Arc::clone(&progress)).await;
    assert_eq!(progress.acknowledged(), REPEATS * VALUES);

    // The last value is not credible: each time that it is said makes a dead letter.
    let kept = VALUES - 1;
    eventually("the books say where everything is", async || {
        let counts = world.agent.counts()?;
        let where_it_is = [counts.received, counts.stored, counts.dead_lettered, counts.rejected];
        let expected = [REPEATS * VALUES, kept, REPEATS, kept * (REPEATS - 1)];
        if where_it_is == expected && counts.is_balanced() { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;
    let status = world.agent.status().expect("a status");
    assert_eq!(status["withheld"]["unchanged"], kept * (REPEATS - 1));
    let database = world.mongod.database();
    eventually("the changes are stored", async || {
        let mut stored = BTreeMap::<u64, u64>::new();
        for reading in stored_readings(&database).await? {
            *stored.entry(reading.value.unwrap_or_default() as u64).or_default() += 1;
        }
        if stored == (1..=kept).map(|value| (value, 1)).collect() {
            Ok(())
        } else {
            Err(format!("{stored:?}"))
        }
    })
    .await;
}
