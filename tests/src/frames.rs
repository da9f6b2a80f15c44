//! Frames made by hand, for what no well-behaved agent would send.

use std::sync::Arc;

use penstock_shared::answer::{BatchesAnswer, FRAMES_CONTENT_TYPE};
use penstock_shared::batch::{Batch, Commit};
use penstock_shared::frame::seal;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use reqwest::StatusCode;

use crate::device::Record;
use crate::rest::Rest;

/// A gateway's whole life, cut into commits: reading n has value n, and stands in commit (n − 1) / `per_commit` + 1.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The agent's id.
    pub agent: AgentId,
    /// The buffer's epoch.
    pub epoch: Epoch,
    /// How many readings a commit has.
    pub per_commit: u64,
    /// The time of the first reading; each later one is a millisecond younger.
    pub start: TimestampMicros,
}

impl Gateway {
    /// Makes a gateway with a fresh epoch whose first reading is of now.
    ///
    /// # Panics
    /// When `agent` is no agent id.
    #[must_use]
    pub fn new(agent: &str, per_commit: u64) -> Self {
        let agent = AgentId::new(agent).expect("test agents have valid ids");
        Self { agent, epoch: Epoch::random(), per_commit, start: TimestampMicros::now() }
    }

    /// Returns the batch of consecutive commits.
    #[must_use]
    pub fn batch(&self, commits: std::ops::RangeInclusive<u64>) -> Batch {
        let commits: Vec<_> = commits.map(|number| self.commit(number)).collect();
        let received_at = commits[0].readings[0].time;
        Batch { agent: self.agent.clone(), epoch: self.epoch, gaps: Vec::new(), received_at, commits }
    }

    /// Returns the frame of consecutive commits.
    ///
    /// # Panics
    /// When it would exceed a limit.
    #[must_use]
    pub fn frame(&self, commits: std::ops::RangeInclusive<u64>) -> Vec<u8> {
        seal(&self.batch(commits)).expect("the batch is within the limits")
    }

    /// Returns what must be stored once commits 1 to `last` have arrived.
    #[must_use]
    pub fn record(&self, last: u64) -> Record {
        let readings = last * self.per_commit;
        Record {
            event_type: "load".into(),
            source: self.source(),
            times: (1..=readings).map(|number| self.time(number)).collect(),
            acknowledged: (1..=readings).collect(),
        }
    }

    fn commit(&self, number: u64) -> Commit {
        let series = Arc::new(Series::new("load", self.source()).expect("test series are valid"));
        let first = (number - 1) * self.per_commit + 1;
        let readings = (first..first + self.per_commit).map(|reading| Reading {
            series: Arc::clone(&series),
            time: self.time(reading),
            value: Value::Number(reading as f64),
        });
        Commit { number: CommitNumber(number), readings: readings.collect() }
    }

    fn source(&self) -> String {
        format!("{}/hand", self.agent)
    }

    fn time(&self, reading: u64) -> TimestampMicros {
        TimestampMicros(self.start.0 + i64::try_from(reading - 1).expect("few readings") * 1000)
    }
}

/// Posts frames in one request, each behind its length, and returns the status and, with 200, each frame's fate.
///
/// # Errors
/// When the hub cannot be reached, or answers 200 with something else.
pub async fn post(rest: &Rest, frames: &[Vec<u8>]) -> Result<(StatusCode, Option<BatchesAnswer>), String> {
    let mut body = Vec::new();
    for frame in frames {
        body.extend(u32::try_from(frame.len()).map_err(|fault| fault.to_string())?.to_le_bytes());
        body.extend(frame);
    }
    let response = rest.post("/api/v1/batches", FRAMES_CONTENT_TYPE, body).await?;
    let status = response.status();
    if status != StatusCode::OK {
        return Ok((status, None));
    }
    response.json().await.map(|answer| (status, Some(answer))).map_err(|fault| fault.to_string())
}
