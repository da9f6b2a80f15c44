//! The forwarder against a hub that answers as a test tells it to.

mod fake_hub;
mod frames;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use penstock_shared::answer::BacklogGrant;
use penstock_shared::batch::GapReason;
use penstock_shared::id::{AgentId, CommitNumber};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{ForwardSettings, Forwarder};
use crate::buffer::{Buffer, BufferSettings, Group};
use crate::clock::{Clock, ClockSettings};
use crate::status::{self, Observer, Reporter, Seen};
use fake_hub::{FakeHub, Trick, eventually};

fn series(source: &str) -> Arc<Series> {
    Arc::new(Series::new("temperature", source).unwrap())
}

struct World {
    hub: FakeHub,
    buffer: Buffer,
    clock: Arc<Clock>,
    settings: ForwardSettings,
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut BufferSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer_settings = BufferSettings::new(dir.path().join("buffer"));
        buffer_settings.min_free_bytes = 0;
        change(&mut buffer_settings);
        let hub = FakeHub::start().await;
        let mut settings = ForwardSettings::new(AgentId::new("gw").unwrap(), hub.url.clone());
        settings.linger = Duration::from_millis(10);
        settings.backoff_min = Duration::from_millis(10);
        settings.backoff_max = Duration::from_millis(50);
        settings.report_every = Duration::from_millis(20);
        settings.token = Some("secret".into());
        let buffer = Buffer::open(buffer_settings).unwrap();
        let clock = Arc::new(Clock::open(dir.path(), ClockSettings::default()));
        Self { hub, buffer, clock, settings, stop: watch::Sender::new(false), running: Vec::new(), _dir: dir }
    }

    /// Appends commits of ten readings each.
    fn append(&self, commits: usize) {
        self.append_at(TimestampMicros::now(), commits);
    }

    fn append_at(&self, received_at: TimestampMicros, commits: usize) {
        let reading =
            Reading { series: series("gw/a"), time: TimestampMicros(1), value: Value::Number(20.5) };
        for _ in 0..commits {
            self.append_commit(received_at, vec![reading.clone(); 10]);
        }
    }

    fn append_commit(&self, received_at: TimestampMicros, readings: Vec<Reading>) {
        self.buffer.append(&Group { readings, received_at, ..Group::default() }).unwrap();
    }

    fn observer(&self) -> Arc<Observer> {
        let seen = Seen {
            buffer: self.buffer.clone(),
            clock: Arc::clone(&self.clock),
            withheld: Arc::default(),
            sources: Arc::default(),
        };
        let Self { settings, .. } = self;
        Arc::new(Observer::new(seen, settings.agent.clone(), settings.hub_url.clone()))
    }

    fn forward(&mut self) {
        let forwarder =
            Forwarder::new(self.buffer.clone(), Arc::clone(&self.clock), self.settings.clone()).unwrap();
        self.running.push(tokio::spawn(forwarder.run(self.stop.subscribe())));
    }

    async fn until_drained(&self) {
        eventually("buffer drained", || self.buffer.confirmed().0 == self.buffer.newest().0).await;
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        for running in self.running {
            running.await.unwrap();
        }
    }
}

#[tokio::test]
async fn everything_arrives_once_and_in_order() {
    let mut world = World::new().await;
    world.append(300);
    world.forward();
    world.until_drained().await;
    world.append(5);
    world.until_drained().await;
    world.hub.with(|ledger| {
        assert_eq!(ledger.commits(), (1..=305).collect::<Vec<_>>());
        assert_eq!(ledger.tokens[0], "Bearer secret");
    });
    let counts = world.buffer.counts();
    assert_eq!((counts.stored, counts.buffered), (3050, 0));
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_cut_off_makes_no_reading_count_twice() {
    let mut world = World::new().await;
    world.hub.with(|ledger| ledger.tricks.push_back(Trick::CutAnswer));
    world.append(3);
    world.forward();
    world.until_drained().await;
    world.hub.with(|ledger| assert_eq!((ledger.readings(), ledger.requests.len()), (30, 2)));
    assert_eq!(world.buffer.counts().stored, 30);
    world.stop().await;
}

#[tokio::test]
async fn a_crash_between_answer_and_trimming_makes_no_reading_count_twice() {
    let mut world = World::new().await;
    world.append(3);
    let epoch = world.buffer.epoch();
    world.hub.with(|ledger| ledger.have_through.insert(epoch, CommitNumber(2)));
    world.forward();
    world.until_drained().await;
    world.hub.with(|ledger| assert_eq!(ledger.commits(), [3]));
    assert_eq!(world.buffer.counts().stored, 30);
    world.stop().await;
}

#[tokio::test]
async fn a_hub_that_lost_its_store_gets_the_rest_with_a_gap_declared() {
    let mut world = World::with(|settings| settings.segment_bytes = 1 << 20).await;
    world.append(3);
    world.forward();
    world.until_drained().await;
    world.hub.with(|ledger| ledger.tricks.push_back(Trick::Forget));
    world.append(1);
    eventually("hub has all again", || world.hub.with(|ledger| ledger.commits() == [1, 2, 3, 4])).await;
    world.until_drained().await;
    assert_eq!(world.buffer.counts().stored, 40);
    world.stop().await;
}

#[tokio::test]
async fn what_the_quota_evicted_is_declared_and_blocks_nothing() {
    let mut world = World::with(|settings| {
        settings.quota_bytes = 6 << 20;
        settings.segment_bytes = 1 << 20;
    })
    .await;
    while world.buffer.counts().evicted == 0 {
        world.append(50);
    }
    world.forward();
    world.until_drained().await;
    let evicted = world.buffer.counts().evicted;
    world.hub.with(|ledger| {
        let gap = ledger.batches[0].gaps[0];
        assert_eq!((gap.first, gap.reason, gap.readings), (CommitNumber(1), GapReason::Evicted, evicted));
        assert_eq!(ledger.readings() as u64, world.buffer.counts().stored);
    });
    world.stop().await;
}

#[tokio::test]
async fn a_hub_that_asks_for_a_pause_gets_it() {
    let mut world = World::new().await;
    world.hub.with(|ledger| ledger.tricks.push_back(Trick::Status(StatusCode::SERVICE_UNAVAILABLE, 1)));
    world.append(1);
    world.forward();
    world.until_drained().await;
    world.hub.with(|ledger| {
        assert!(ledger.requests[1] - ledger.requests[0] >= Duration::from_secs(1));
    });
    world.stop().await;
}

#[tokio::test]
async fn strange_answers_cost_nothing_but_time() {
    let mut world = World::new().await;
    let strange =
        [StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::BAD_GATEWAY];
    for status in strange {
        world.hub.with(|ledger| ledger.tricks.push_back(Trick::Status(status, 0)));
    }
    world.append(2);
    world.forward();
    eventually("the fault is told", || !world.buffer.faults().is_empty()).await;
    world.until_drained().await;
    assert!(world.buffer.faults().is_empty());
    assert_eq!(world.buffer.counts().dead_lettered, 0);
    world.stop().await;
}

/// The places at which commits of each lane arrived, in the order of their arrival.
fn lanes_of(world: &World) -> Vec<(bool, u64)> {
    let main = world.buffer.epoch();
    world.hub.with(|ledger| {
        let batches = ledger.batches.iter();
        batches.map(|batch| (batch.epoch == main, batch.commits[0].number.0)).collect()
    })
}

#[tokio::test]
async fn what_is_new_overtakes_an_old_backlog_and_falls_back_into_line() {
    let mut world = World::new().await;
    world.hub.with(|ledger| ledger.grant = Some(BacklogGrant { readings_per_second: 40_000 }));
    let an_hour_ago = TimestampMicros(TimestampMicros::now().0 - 3_600_000_000);
    world.append_at(an_hour_ago, 4_000);
    world.forward();
    eventually("the newest commit is there", || world.hub.with(|ledger| ledger.commits().contains(&4_000)))
        .await;
    assert!(world.buffer.has_backlog(), "the newest was to come before the backlog is drained");
    world.append(1);
    eventually("what arrived meanwhile is there too", || {
        world.hub.with(|ledger| ledger.commits().contains(&4_001))
    })
    .await;
    assert!(world.buffer.has_backlog());
    world.until_drained().await;
    eventually("the lanes are one again", || !world.buffer.express_is_open()).await;
    world.append(1);
    world.until_drained().await;
    let lanes = lanes_of(&world);
    assert_eq!(lanes.last(), Some(&(true, 4_002)), "{lanes:?}");
    let mut commits = world.hub.with(|ledger| ledger.commits());
    commits.sort_unstable();
    assert_eq!(commits, (1..=4_002).collect::<Vec<_>>());
    assert_eq!(world.buffer.counts().stored, 40_020);
    world.stop().await;
}

#[tokio::test]
async fn a_hub_that_grants_nothing_gets_the_oldest_first() {
    let mut world = World::new().await;
    let an_hour_ago = TimestampMicros(TimestampMicros::now().0 - 3_600_000_000);
    world.append_at(an_hour_ago, 4_000);
    world.forward();
    world.until_drained().await;
    assert!(lanes_of(&world).iter().all(|(main, _)| *main));
    world.stop().await;
}

#[tokio::test]
async fn a_forwarder_that_starts_over_keeps_to_the_lanes() {
    let mut world = World::new().await;
    world.hub.with(|ledger| ledger.grant = Some(BacklogGrant { readings_per_second: 20_000 }));
    let an_hour_ago = TimestampMicros(TimestampMicros::now().0 - 3_600_000_000);
    world.append_at(an_hour_ago, 4_000);
    world.forward();
    eventually("overtaken", || world.buffer.express_is_open()).await;
    world.stop.send_replace(true);
    for running in world.running.drain(..) {
        running.await.unwrap();
    }
    world.append(10);
    world.stop = watch::Sender::new(false);
    world.forward();
    world.until_drained().await;
    let mut commits = world.hub.with(|ledger| ledger.commits());
    commits.sort_unstable();
    assert_eq!(commits, (1..=4_010).collect::<Vec<_>>());
    world.stop().await;
}

#[tokio::test]
async fn the_status_tells_what_the_hub_is_told() {
    let mut world = World::new().await;
    world.append(2);
    world.forward();
    world.until_drained().await;
    let reporter = Reporter::new(world.observer(), &world.settings).unwrap();
    world.running.push(tokio::spawn(reporter.run(world.stop.subscribe())));
    eventually("two reports", || world.hub.with(|ledger| ledger.reports.len() >= 2)).await;
    let report = world.hub.with(|ledger| ledger.reports[0].clone());
    assert_eq!((report.counts.stored, report.counts.received), (20, 20));
    let dir = world.buffer.settings().dir.clone();
    let left = status::read(&dir).unwrap();
    let table = status::render(&left, left.report.time);
    assert!(table.contains("every record is accounted for"), "{table}");
    let json: serde_json::Value = serde_json::to_value(&left).unwrap();
    assert_eq!((json["balanced"].as_bool(), json["counts"]["stored"].as_u64()), (Some(true), Some(20)));
    world.stop().await;
}
