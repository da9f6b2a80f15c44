//! Bytes a reading on the wire, beside JSON + gzip.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use penstock_shared::reading::{Reading, Value};
use serde_json::json;

use crate::data::{self, Chance};
use crate::table::{Goal, Table};

const SENSORS: usize = 50;
const READINGS: usize = 100_000;
const BATCH: usize = 1000;
const MOST_BYTES: f64 = 1.5;
const RESTLESS: Chance = Chance { step: 0.2, jitter_millis: 5.0 };

/// The goal speaks of readings that JSON + gzip brings down to 7.9 bytes; these come near it from both sides.
pub(crate) fn measure(table: &mut Table) {
    for (name, chance) in [("calm", data::USUAL), ("restless", RESTLESS)] {
        measure_walks(table, name, &data::readings_with(chance, SENSORS, READINGS));
    }
}

fn measure_walks(table: &mut Table, name: &str, readings: &[Reading]) {
    let framed: usize = data::frames("gw-plant1", readings, BATCH).iter().map(Vec::len).sum();
    let (mut plain, mut zipped) = (0, 0);
    for batch in readings.chunks(BATCH) {
        let objects: Vec<_> = batch
            .iter()
            .map(|reading| {
                let Value::Number(value) = reading.value else { unreachable!("sensors measure numbers") };
                json!({
                    "type": reading.series.event_type,
                    "source": reading.series.source,
                    "timestamp": reading.time.millis(),
                    "value": value,
                })
            })
            .collect();
        let text = serde_json::to_vec(&objects).expect("JSON");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&text).expect("memory takes everything");
        plain += text.len();
        zipped += encoder.finish().expect("memory takes everything").len();
    }
    let each = |bytes: usize| bytes as f64 / READINGS as f64;
    table.add(
        &format!("wire, batches of 1,000 of 50 {name} random walks"),
        format!("{:.2} bytes a reading", each(framed)),
        format!("JSON + gzip {:.2}, JSON {:.1}", each(zipped), each(plain)),
        (each(framed), " bytes"),
        Goal::AtMost(MOST_BYTES),
    );
}
