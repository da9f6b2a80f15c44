//! Readings as a plant's sensors make them: random walks with two decimals, milliseconds with jitter.

use std::sync::Arc;

use penstock_shared::batch::{Batch, Commit};
use penstock_shared::frame::seal;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How many readings a gateway under load puts into one commit.
pub(crate) const COMMIT: usize = 50;
const SECOND_MILLIS: i64 = 1000;

/// How far a value walks in a step, and how many milliseconds its moment strays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance {
    pub(crate) step: f64,
    pub(crate) jitter_millis: f64,
}

/// About 0.8 bytes of chance a reading.
pub(crate) const USUAL: Chance = Chance { step: 0.1, jitter_millis: 4.0 };

/// Makes `count` readings of sensors that each measure about once a second, the newest of now.
pub(crate) fn readings(sensors: usize, count: usize) -> Vec<Reading> {
    readings_with(USUAL, sensors, count)
}

/// As [`readings`], with more or less chance in them.
pub(crate) fn readings_with(chance: Chance, sensors: usize, count: usize) -> Vec<Reading> {
    let mut dice = StdRng::seed_from_u64(7);
    let types = ["temperature", "pressure", "vibration", "power", "flow"];
    let series: Vec<_> = (0..sensors)
        .map(|number| {
            let source = format!("gw-plant1/machine{}", number / types.len());
            Arc::new(Series::new(types[number % types.len()], source).expect("valid names"))
        })
        .collect();
    let mut values: Vec<f64> = (0..sensors).map(|_| dice.random_range(10.0..90.0)).collect();
    let gap = SECOND_MILLIS as f64 / sensors as f64;
    let start = TimestampMicros::now().millis() - (gap * count as f64) as i64;
    (0..count)
        .map(|number| {
            let sensor = number % sensors;
            values[sensor] += dice.random_range(-chance.step..chance.step);
            let jitter = dice.random_range(0.0..chance.jitter_millis.min(gap.max(1.0)));
            let millis = start + (gap * number as f64 + jitter) as i64;
            Reading {
                series: Arc::clone(&series[sensor]),
                time: TimestampMicros(millis * 1000),
                value: Value::Number((values[sensor] * 100.0).round() / 100.0),
            }
        })
        .collect()
}

/// Packs readings as one gateway would: commits of [`COMMIT`], batches of `per_batch` readings.
pub(crate) fn frames(agent: &str, readings: &[Reading], per_batch: usize) -> Vec<Vec<u8>> {
    let agent = AgentId::new(agent).expect("a valid id");
    let epoch = Epoch::random();
    let mut number = CommitNumber::NONE;
    let batches = readings.chunks(per_batch).map(|chunk| {
        let commits = chunk.chunks(COMMIT).map(|readings| {
            number = number.next();
            Commit { number, readings: readings.to_vec() }
        });
        let commits = commits.collect();
        Batch { agent: agent.clone(), epoch, gaps: Vec::new(), received_at: chunk[0].time, commits }
    });
    batches.map(|batch| seal(&batch).expect("within the limits")).collect()
}
