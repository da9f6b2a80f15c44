//! From frames to readings and rollups on a real mongod: once each, whatever is sent again, whoever dies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::WriteConcern;
use penstock_hub::config::Settings;
use penstock_hub::ingest::{Ingest, IngestLimits, Pending};
use penstock_hub::mongod::ManagedMongod;
use penstock_hub::processor::{self, Context, ProcessorOptions};
use penstock_hub::rollup::Partition;
use penstock_hub::store::{Retention, Store, batches, events, lease, progress, rollups};
use penstock_hub::telemetry::Telemetry;
use penstock_shared::answer::FrameAnswer;
use penstock_shared::batch::{Batch, Commit};
use penstock_shared::frame;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::metrics::Granularity;
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);

/// Type, source, granularity, start of the bucket.
type BucketName = (String, Option<String>, &'static str, i64);

struct World {
    mongod: ManagedMongod,
    store: Store,
    _directory: tempfile::TempDir,
}

struct Running {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut settings = Settings::default().mongodb.managed;
        settings.data_dir = directory.path().join("mongo");
        let mongod = ManagedMongod::start(&settings).await.expect("mongod starts");
        let store = open(&mongod).await;
        Self { mongod, store, _directory: directory }
    }

    fn ingest(&self, pending: &Arc<Pending>) -> Ingest {
        let limits = IngestLimits {
            max_pending_readings: 10_000_000,
            max_lag: Duration::from_secs(3600),
            backlog_readings_per_second: 50_000,
        };
        Ingest::start(self.store.clone(), Arc::clone(pending), limits)
    }

    /// Starts a processor with connections of its own, as another hub's would be.
    async fn process(&self, pending: &Arc<Pending>) -> Running {
        let context = Context {
            store: open(&self.mongod).await,
            pending: Arc::clone(pending),
            telemetry: Arc::new(Telemetry::default()),
            options: ProcessorOptions {
                lease: Duration::from_secs(2),
                group_readings: 20_000,
                ledger_grace: Duration::from_secs(3600),
                retention: retention(),
            },
        };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(processor::run(context, Partition(0), stopped));
        Running { stop, task }
    }

    async fn until_applied(&self) {
        let started = std::time::Instant::now();
        loop {
            let (waiting, _) = batches::waiting(&self.store).await.expect("reads the ledger");
            // The list is read at majority, which may not have what was just seen in the ledger: a write at majority
            // stands behind all that was there before.
            let marker = self.store.collection("markers");
            let written = marker.insert_one(doc! {}).write_concern(WriteConcern::majority()).await;
            written.expect("writes a marker");
            let deferred = progress::deferred(&self.store, None).await.expect("reads the progress");
            if waiting == 0 && deferred.is_empty() {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{waiting} readings still wait, {} batches",
                deferred.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Recounts the raw readings and compares every rollup with them; returns how many readings there are.
    async fn recount(&self) -> usize {
        let raw: Vec<Document> = self
            .store
            .collection(events::COLLECTION)
            .find(doc! {})
            .await
            .expect("reads")
            .try_collect()
            .await
            .expect("reads");
        let ids: std::collections::HashSet<_> =
            raw.iter().map(|event| event.get("_id").cloned().map(|id| id.to_string())).collect();
        assert_eq!(ids.len(), raw.len(), "readings stand twice in events_ts");
        let mut expected: HashMap<BucketName, (i64, f64)> = HashMap::new();
        for event in &raw {
            let metadata = event.get_document("metadata").expect("metadata");
            let time =
                TimestampMicros(event.get_datetime("timestamp").expect("a time").timestamp_millis() * 1000);
            let value = event.get_f64("value").expect("a number");
            let event_type = metadata.get_str("eventType").expect("a type");
            for source in [Some(metadata.get_str("source").expect("a source").to_owned()), None] {
                for granularity in Granularity::ALL {
                    let key = (
                        event_type.to_owned(),
                        source.clone(),
                        granularity.as_str(),
                        granularity.bucket_start_millis(time),
                    );
                    let sum = expected.entry(key).or_default();
                    sum.0 += 1;
                    sum.1 += value;
                }
            }
        }
        let mut stored = self.store.collection(rollups::COLLECTION).find(doc! {}).await.expect("reads");
        let mut seen = 0;
        while let Some(document) = stored.try_next().await.expect("reads") {
            let read = rollups::from_document(&document).expect("a rollup");
            let key =
                (read.key.event_type, read.key.source, read.key.granularity.as_str(), read.key.bucket_millis);
            let (count, total) = expected.get(&key).unwrap_or_else(|| panic!("{key:?} has no readings"));
            assert_eq!(read.rollup.count as i64, *count, "{key:?}");
            assert!((read.rollup.total - total).abs() < 1e-6 * total.abs().max(1.0), "{key:?}");
            seen += 1;
        }
        assert_eq!(seen, expected.len(), "rollups are missing");
        raw.len()
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.expect("the processor ends by itself");
    }
}

async fn open(mongod: &ManagedMongod) -> Store {
    let client = Client::with_uri_str(mongod.uri()).await.expect("connects");
    Store::open(client, "test", &retention()).await.expect("opens")
}

fn retention() -> Retention {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    Retention { raw: days(30), minutes: days(7), hours: days(90), days: days(1825) }
}

fn agent() -> AgentId {
    AgentId::new("gw1").expect("valid")
}

/// A batch of consecutive commits from `first`, ten readings each, of `series` series.
fn batch(epoch: u64, first: u64, commits: u64, series: usize) -> Batch {
    let now = TimestampMicros::now();
    let all: Vec<_> = (0..series)
        .map(|index| Arc::new(Series::new("flow", format!("gw1/s{index}")).expect("valid")))
        .collect();
    let commits = (first..first + commits).map(|number| Commit {
        number: CommitNumber(number),
        readings: (0..10_u64)
            .map(|index| {
                let serial = number * 10 + index;
                Reading {
                    series: Arc::clone(&all[serial as usize % series]),
                    time: TimestampMicros(now.0 - (serial as i64 * 1_000_000) % 10_000_000_000),
                    value: Value::Number(serial as f64 / 4.0),
                }
            })
            .collect(),
    });
    Batch { agent: agent(), epoch: Epoch(epoch), gaps: vec![], received_at: now, commits: commits.collect() }
}

fn sealed(batch: &Batch) -> Vec<u8> {
    frame::seal(batch).expect("seals")
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_overlapping_frames_count_once() {
    let world = World::new().await;
    let pending = Arc::new(Pending::default());
    let ingest = world.ingest(&pending);
    let running = world.process(&pending).await;
    let have = |through| vec![FrameAnswer::Have { have_through: CommitNumber(through) }];

    let send = async |batch: &Batch| ingest.frames(&agent(), vec![sealed(batch)]).await.expect("answers");
    assert_eq!(send(&batch(1, 1, 50, 7)).await, have(50));
    assert_eq!(send(&batch(1, 1, 50, 7)).await, have(50));
    assert_eq!(send(&batch(1, 30, 40, 7)).await, have(50));
    assert_eq!(send(&batch(1, 60, 2, 7)).await, vec![FrameAnswer::Gap { have_through: CommitNumber(50) }]);
    assert_eq!(send(&batch(1, 51, 10, 7)).await, have(60));
    // Another hub that has not seen any of it, and an overlap that slips into the ledger past its cache.
    let other = world.ingest(&pending);
    assert_eq!(other.frames(&agent(), vec![sealed(&batch(1, 20, 5, 7))]).await.expect("answers"), have(60));

    world.until_applied().await;
    assert_eq!(world.recount().await, 600);
    running.stop().await;
    world.mongod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlap_inside_the_ledger_is_skipped_by_the_watermark() {
    let world = World::new().await;
    let overlapping = [batch(2, 1, 10, 3), batch(2, 6, 10, 3), batch(2, 3, 4, 3)];
    for batch in &overlapping {
        let frame = sealed(batch);
        let header = frame::read_header(&frame).expect("reads");
        batches::insert(&world.store, vec![batches::LedgerEntry::of_frame(&header, frame)]).await;
    }
    let running = world.process(&Arc::default()).await;
    world.until_applied().await;
    assert_eq!(world.recount().await, 150);
    let watermark = progress::watermark(&world.store, &agent(), Epoch(2)).await.expect("reads");
    assert_eq!((watermark.applied_through, watermark.applied_readings), (CommitNumber(15), 150));
    running.stop().await;
    world.mongod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_inserts_only_what_its_predecessor_did_not() {
    let world = World::new().await;
    let batch = batch(3, 1, 20, 5);
    let frame = sealed(&batch);
    let header = frame::read_header(&frame).expect("reads");
    let entry = batches::LedgerEntry::of_frame(&header, frame);
    batches::insert(&world.store, vec![entry.clone()]).await;

    // The predecessor declared the batch, inserted a part of it, and died.
    let epoch = lease::acquire(&world.store, Partition(0), "dead", Duration::from_secs(1)).await;
    let epoch = epoch.expect("asks").expect("takes");
    progress::take_intent(&world.store, Partition(0), epoch).await.expect("takes");
    progress::declare_intent(&world.store, Partition(0), epoch, &[entry.id]).await.expect("declares");
    let partly = batch.commits.iter().take(7).flat_map(|commit| {
        (0..).zip(&commit.readings).map(|(index, reading)| {
            let reading = events::StoredReading {
                id: events::ReadingId::new(Epoch(3), commit.number, index),
                series: Arc::clone(&reading.series),
                time: reading.time,
                value: reading.value.clone(),
                extra: None,
            };
            events::document(&reading, &events::metadata(&reading.series, &agent()))
        })
    });
    events::insert(&world.store, partly.collect()).await.expect("inserts");

    let running = world.process(&Arc::default()).await;
    world.until_applied().await;
    assert_eq!(world.recount().await, 200);
    running.stop().await;
    world.mongod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_leader_can_neither_declare_nor_commit() {
    let world = World::new().await;
    let lease_time = Duration::from_millis(100);
    let old =
        lease::acquire(&world.store, Partition(0), "old", lease_time).await.expect("asks").expect("takes");
    progress::take_intent(&world.store, Partition(0), old).await.expect("takes");
    tokio::time::sleep(lease_time * 3).await;
    let new =
        lease::acquire(&world.store, Partition(0), "new", lease_time).await.expect("asks").expect("takes");
    assert!(new > old);
    progress::take_intent(&world.store, Partition(0), new).await.expect("takes");
    assert!(progress::declare_intent(&world.store, Partition(0), old, &[]).await.is_err());
    assert!(progress::take_intent(&world.store, Partition(0), old).await.is_err());
    assert!(!lease::renew_alone(&world.store, Partition(0), old, lease_time).await.expect("asks"));
    world.mongod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_a_day_late_correct_their_minute_hour_and_day() {
    let world = World::new().await;
    let pending = Arc::new(Pending::default());
    let ingest = world.ingest(&pending);
    let running = world.process(&pending).await;
    let mut late = batch(4, 11, 10, 2);
    late.commits
        .iter_mut()
        .flat_map(|commit| &mut commit.readings)
        .for_each(|reading| reading.time.0 -= 86_400_000_000);
    ingest.frames(&agent(), vec![sealed(&batch(4, 1, 10, 2))]).await.expect("answers");
    world.until_applied().await;
    ingest.frames(&agent(), vec![sealed(&late)]).await.expect("answers");
    world.until_applied().await;
    let mut more = batch(4, 21, 10, 2);
    more.commits
        .iter_mut()
        .flat_map(|commit| &mut commit.readings)
        .for_each(|reading| reading.time.0 -= 86_400_000_000);
    running.stop().await;
    // A new leader with nothing in memory loads the old buckets.
    let running = world.process(&pending).await;
    ingest.frames(&agent(), vec![sealed(&more)]).await.expect("answers");
    world.until_applied().await;
    assert_eq!(world.recount().await, 300);
    running.stop().await;
    world.mongod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_completes_hours_and_days_that_were_not_written() {
    let world = World::new().await;
    let pending = Arc::new(Pending::default());
    let ingest = world.ingest(&pending);
    let running = world.process(&pending).await;
    ingest.frames(&agent(), vec![sealed(&batch(5, 1, 10, 3))]).await.expect("answers");
    world.until_applied().await;
    // The second batch overlaps the first in the ledger, and the leader dies with its minutes alone written.
    let frame = sealed(&batch(5, 6, 10, 3));
    let header = frame::read_header(&frame).expect("reads");
    batches::insert(&world.store, vec![batches::LedgerEntry::of_frame(&header, frame)]).await;
    let started = std::time::Instant::now();
    while progress::deferred(&world.store, None).await.expect("reads the progress").is_empty() {
        assert!(started.elapsed() < PATIENCE, "nothing was deferred");
    }
    running.task.abort();
    drop(running.stop);
    let deferred = progress::deferred(&world.store, None).await.expect("reads the progress");
    assert_eq!(deferred.len(), 1, "the leader lived to write them: {deferred:?}");
    assert_eq!(deferred[0].after, CommitNumber(10), "commits of the first batch would count twice");

    let running = world.process(&pending).await;
    world.until_applied().await;
    assert_eq!(world.recount().await, 150);
    running.stop().await;
    world.mongod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_past_their_retention_are_deleted_and_no_others() {
    let world = World::new().await;
    let pending = Arc::new(Pending::default());
    let ingest = world.ingest(&pending);
    let running = world.process(&pending).await;
    let mut old = batch(6, 1, 10, 2);
    let readings = old.commits.iter_mut().flat_map(|commit| &mut commit.readings);
    readings.for_each(|reading| reading.time.0 -= 20 * 86_400_000_000);
    ingest.frames(&agent(), vec![sealed(&old), sealed(&batch(6, 11, 10, 2))]).await.expect("answers");
    world.until_applied().await;
    running.stop().await;
    let kept = async |granularity: Granularity| {
        let of_it = doc! { "granularity": granularity.as_str() };
        world.store.collection(rollups::COLLECTION).count_documents(of_it).await.expect("counts")
    };
    let (minutes, hours, days) =
        (kept(Granularity::Minute).await, kept(Granularity::Hour).await, kept(Granularity::Day).await);
    // Ten readings a commit, a second apart: what is left of the minutes is what the newer batch made.
    let deleted = rollups::expire(&world.store, &retention(), DateTime::now()).await.expect("deletes");
    assert!(deleted > 0 && deleted < minutes, "{deleted} of {minutes}");
    assert_eq!(kept(Granularity::Minute).await, minutes - deleted);
    assert_eq!((kept(Granularity::Hour).await, kept(Granularity::Day).await), (hours, days));
    world.mongod.stop().await;
}
