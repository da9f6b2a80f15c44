//! The hub from frames to stored and rolled up, beside the best plain `insert_many` of the same documents.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, RawDocumentBuf, doc};
use mongodb::options::WriteConcern;
use penstock_shared::reading::{Reading, Value};
use penstock_tests::eventually::eventually_within;
use penstock_tests::frames::post;
use penstock_tests::recount::stored_rollups;
use penstock_tests::world::{Hub, Mongod};

use crate::data;
use crate::table::{Goal, Table, rate};

const TURNS: usize = 2;
/// What an agent sends while it catches up.
const BATCH: usize = 8000;
const FRAMES_A_REQUEST: usize = 8;
const GROUPS: [usize; 4] = [4000, 20_000, 40_000, 80_000];
/// Fewer readings of a series in a group are never best: at 4 the server takes 6 k readings/s.
const FEWEST_A_SERIES: usize = 10;
const PATIENCE: Duration = Duration::from_secs(120);
const LEAST_SHARE: f64 = 0.75;
pub(crate) const UNLIMITED: &str = "[limits]\nrequests_per_second = 1000000.0\nburst = 1000000.0\n\
                                    [processor]\nlease_seconds = 5";

pub(crate) async fn measure(table: &mut Table, series: usize, count: usize) {
    let readings = data::readings(series, count);
    let (mut ours, mut plain) = (0.0_f64, 0.0_f64);
    for turn in 1..=TURNS {
        // Both begin with an empty server, so that neither pays for what the other left.
        for group in GROUPS.into_iter().filter(|group| group / series >= FEWEST_A_SERIES) {
            let rate_now = insert_plainly(&readings, group).await;
            println!("turn {turn}: plain insert_many of {group}: {}", rate(rate_now, "readings"));
            plain = plain.max(rate_now);
        }
        let rate_now = through_the_hub(&readings).await;
        println!("turn {turn}: through the hub: {}", rate(rate_now, "readings"));
        ours = ours.max(rate_now);
    }
    table.add(
        &format!("hub: frames to stored and rolled up, {series} series"),
        rate(ours, "readings"),
        format!("insert_many {}", rate(plain, "readings")),
        (ours / plain, " ×"),
        Goal::AtLeast(LEAST_SHARE),
    );
}

async fn through_the_hub(readings: &[Reading]) -> f64 {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mongod = Mongod::start(directory.path()).await;
    let hub = Hub::start(directory.path(), "hub", &mongod.uri(), UNLIMITED).await;
    let rest = hub.rest();
    // A first reading of a day ago has the processor hold its lease before the clock starts.
    let mut early = readings[..1].to_vec();
    early[0].time.0 -= 86_400_000_000;
    post(&rest, &data::frames("early", &early, 1)).await.expect("the hub takes frames");
    applied(&mongod, 1).await;

    let frames = data::frames("bench", readings, BATCH);
    let started = Instant::now();
    for request in frames.chunks(FRAMES_A_REQUEST) {
        let (status, _) = post(&rest, request).await.expect("the hub takes frames");
        assert!(status.is_success(), "{status}");
    }
    applied(&mongod, readings.len() as u64 + 1).await;
    let took = started.elapsed();

    let rolled_up = stored_rollups(&mongod.database()).await.expect("rollups can be read").readings(|_| true);
    assert_eq!(rolled_up, readings.len() as u64 + 1, "the rollups miss some");
    readings.len() as f64 / took.as_secs_f64()
}

/// Waits until so many readings are stored and rolled up, hours and days too. The documents that say so move in the
/// transactions of the groups; they are few and small, so that asking costs the server nothing.
async fn applied(mongod: &Mongod, goal: u64) {
    let progress = mongod.database().collection::<Document>("progress");
    eventually_within(PATIENCE, "the hub has applied everything", async || {
        let found = progress.find(doc! {}).await.map_err(|fault| fault.to_string())?;
        let found: Vec<_> = found.try_collect().await.map_err(|fault| fault.to_string())?;
        let applied: i64 = found.iter().filter_map(|mark| mark.get_i64("appliedReadings").ok()).sum();
        let deferred: usize =
            found.iter().filter_map(|mark| mark.get_array("deferred").ok()).map(Vec::len).sum();
        if applied as u64 >= goal && deferred == 0 {
            Ok(())
        } else {
            Err(format!("{applied} of {goal}, hours and days of {deferred} batches to come"))
        }
    })
    .await;
}

/// Inserts prepared documents, in groups sorted by series, one group after another.
async fn insert_plainly(readings: &[Reading], group: usize) -> f64 {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mongod = Mongod::start(directory.path()).await;
    let like = doc! { "timeField": "timestamp", "metaField": "metadata", "granularity": "seconds" };
    let database = mongod.database();
    database.run_command(doc! { "create": "plain", "timeseries": like }).await.expect("a new collection");
    let collection = database.collection::<RawDocumentBuf>("plain");
    let groups: Vec<Vec<_>> = readings
        .chunks(group)
        .enumerate()
        .map(|(number, chunk)| {
            let mut sorted: Vec<_> = chunk.iter().enumerate().collect();
            sorted.sort_by(|a, b| a.1.series.cmp(&b.1.series));
            sorted
                .iter()
                .map(|(index, reading)| document(reading, (number * group + index) as u128))
                .collect()
        })
        .collect();
    let started = Instant::now();
    for documents in groups {
        let insert = collection.insert_many(documents).ordered(false);
        insert.write_concern(WriteConcern::majority()).await.expect("a plain insert succeeds");
    }
    readings.len() as f64 / started.elapsed().as_secs_f64()
}

fn document(reading: &Reading, id: u128) -> RawDocumentBuf {
    let mut metadata = RawDocumentBuf::new();
    metadata.append("eventType", reading.series.event_type.as_str());
    metadata.append("source", reading.series.source.as_str());
    metadata.append("agent", "bench");
    metadata.append("labels", RawDocumentBuf::new());
    let mut document = RawDocumentBuf::new();
    document.append("_id", Binary { subtype: BinarySubtype::Generic, bytes: id.to_be_bytes().to_vec() });
    document.append("timestamp", DateTime::from_millis(reading.time.millis()));
    document.append("metadata", metadata);
    if let Value::Number(value) = reading.value {
        document.append("value", value);
    }
    document
}
