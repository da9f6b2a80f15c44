//! What a reading costs on the wire, on the readings that the goal speaks of.

use std::sync::Arc;

use penstock_shared::batch::{Batch, Commit};
use penstock_shared::frame;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SENSORS: usize = 50;
const BATCH: usize = 1000;
const BATCHES: usize = 20;
const COMMIT: usize = 50;
const MOST_BYTES: f64 = 1.5;

/// Fifty random walks with two decimals, in turn one reading every 20 ms, whose milliseconds stray by up to 2.5.
fn readings() -> Vec<Reading> {
    let mut dice = StdRng::seed_from_u64(7);
    let types = [
        ("temperature", "C"),
        ("pressure", "bar"),
        ("vibration", "mm/s"),
        ("power", "kW"),
        ("flow", "l/min"),
    ];
    let series: Vec<_> = (0..SENSORS)
        .map(|number| {
            let (event_type, unit) = types[number % types.len()];
            let source = format!("gw-plant1/machine{}", number / types.len());
            let mut series = Series::new(event_type, source).expect("valid names");
            series.labels.insert("unit".into(), unit.into());
            Arc::new(series)
        })
        .collect();
    let mut hundredths: Vec<i32> = (0..SENSORS).map(|_| dice.random_range(1_000..9_000)).collect();
    (0..BATCH * BATCHES)
        .map(|number| {
            let sensor = number % SENSORS;
            // The sum of four dice: steps of about 6 hundredths, small ones more often.
            hundredths[sensor] += (0..4).map(|_| dice.random_range(-5..=5)).sum::<i32>();
            let jitter: f64 = dice.random_range(-2.5..2.5);
            let millis = 1_790_000_000_000 + (20 * number) as i64 + jitter.round() as i64;
            Reading {
                series: Arc::clone(&series[sensor]),
                time: TimestampMicros(millis * 1000),
                value: Value::Number(f64::from(hundredths[sensor]) / 100.0),
            }
        })
        .collect()
}

#[test]
fn a_reading_of_fifty_random_walks_takes_at_most_one_and_a_half_bytes() {
    let readings = readings();
    let batches = (1..).step_by(BATCH / COMMIT).zip(readings.chunks(BATCH)).map(|(first, chunk)| Batch {
        agent: AgentId::new("gw-plant1").expect("a valid id"),
        epoch: Epoch(0x0123_4567_89ab_cdef),
        gaps: Vec::new(),
        received_at: chunk[0].time,
        commits: (first..)
            .zip(chunk.chunks(COMMIT))
            .map(|(number, readings)| Commit { number: CommitNumber(number), readings: readings.to_vec() })
            .collect(),
    });
    let bytes: usize = batches.map(|batch| frame::seal(&batch).expect("seals").len()).sum();
    let each = bytes as f64 / readings.len() as f64;
    assert!(each <= MOST_BYTES, "{each:.3} bytes a reading");
}
