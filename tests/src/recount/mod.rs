//! The judge: compares what the devices remember with what is stored, rolled up and counted.
//!
//! It reads `events_ts` raw and adds everything up itself; nothing that the hub computed is trusted.

mod rollups;
mod stored;

use std::time::Duration;

use serde_json::Value;

pub use rollups::{Buckets, stored_rollups};
pub use stored::{StoredReading, stored_readings};

use crate::device::Record;
use crate::eventually::eventually_within;
use crate::rest::Rest;
use crate::world::{Agent, Mongod, World};

/// How long a drained world may take to have everything stored and rolled up.
pub const SETTLE: Duration = Duration::from_secs(60);

/// What a check found when it found nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// How many readings are stored.
    pub stored: u64,
    /// How many rollup buckets agree with the recount.
    pub buckets: usize,
}

/// Waits until a world has everything, and checks each promise: every acknowledged reading is stored, nothing twice and
/// nothing invented, rollups equal a recount, and the books balance on both sides.
///
/// # Panics
/// With what does not hold, when it does not come to hold in time.
pub async fn everything_holds(world: &World, records: &[Record]) -> Verdict {
    everything_holds_within(SETTLE, world, records).await
}

/// As [`everything_holds`], with a patience of its own.
///
/// # Panics
/// With what does not hold, when it does not come to hold in time.
pub async fn everything_holds_within(patience: Duration, world: &World, records: &[Record]) -> Verdict {
    let rest = world.hub.rest();
    eventually_within(patience, "the agent's buffer is empty and its books balance", async || {
        drained(&world.agent)
    })
    .await;
    let verdict = stored_once_and_counted_once(patience, &world.mongod, &rest, records).await;
    eventually_within(patience, "the hub's books agree with the agent's", async || {
        books_agree(&world.agent, &rest, verdict.stored).await
    })
    .await;
    verdict
}

/// Waits until every acknowledged reading is stored, and checks all but the books.
///
/// # Panics
/// With what does not hold, when it does not come to hold in time.
pub async fn stored_once_and_counted_once(
    patience: Duration,
    mongod: &Mongod,
    rest: &Rest,
    records: &[Record],
) -> Verdict {
    let acknowledged: usize = records.iter().map(|record| record.acknowledged.len()).sum();
    assert!(acknowledged > 0, "nothing was acknowledged, so nothing is proved");
    eventually_within(patience, "every acknowledged reading is stored once and counted once", async || {
        let readings = stored_readings(&mongod.database()).await?;
        stored::check(&readings, records)?;
        let counted = Buckets::recount(&readings);
        counted.compare(&stored_rollups(&mongod.database()).await?, "metrics_preagg")?;
        rollups::check_rest(&counted, rest).await?;
        Ok(Verdict { stored: readings.len() as u64, buckets: counted.len() })
    })
    .await
}

/// Checks that an agent has nothing left to send, and that every record is accounted for.
///
/// # Errors
/// With what is not so.
pub fn drained(agent: &Agent) -> Result<(), String> {
    let counts = agent.counts()?;
    if !counts.is_balanced() {
        return Err(format!("the books do not balance: {counts:?}"));
    }
    if counts.buffered > 0 {
        return Err(format!("{} readings are buffered", counts.buffered));
    }
    Ok(())
}

/// Checks that the hub counts for an agent what the agent counts, and what the store holds.
async fn books_agree(agent: &Agent, rest: &Rest, stored: u64) -> Result<(), String> {
    let counts = agent.counts()?;
    let fleet = rest.get("/api/v1/agents").await?;
    let agents = fleet["agents"].as_array().ok_or("no array of agents")?;
    let found = agents.iter().find(|entry| entry["agent"] == agent.id());
    let entry: &Value = found.ok_or_else(|| format!("{} is not among the agents: {fleet}", agent.id()))?;
    let claims = [
        ("balanced", entry["balanced"] == true),
        // What is in the ledger and not applied yet.
        ("hub.ledgerReadings", entry["hub"]["ledgerReadings"] == 0),
        ("hub.appliedReadings", entry["hub"]["appliedReadings"] == counts.stored),
        ("events_ts", stored == counts.stored),
    ];
    match claims.iter().find(|(_, holds)| !holds) {
        Some((claim, _)) => Err(format!("{claim} disagrees: {stored} stored, agent {counts:?}, hub {entry}")),
        None => Ok(()),
    }
}
