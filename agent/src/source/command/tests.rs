//! Real programs of a shell, with the test in the committer's place.

use penstock_shared::id::AgentId;
use penstock_shared::reading::Value;
use tokio::sync::mpsc;

use super::*;
use crate::committer::CommitHandle;
use crate::config::serial::{RecordFormat, RecordSettings};
use crate::decode::SampleDecoder;
use crate::delivery::Delivery;

const SOON: Duration = Duration::from_secs(20);

struct World {
    source: SourceTask,
    counters: Arc<CommandCounters>,
    deliveries: mpsc::Receiver<Delivery>,
}

impl World {
    fn start(script: &str, adjust: impl FnOnce(&mut CommandSettings)) -> Self {
        let mut settings = CommandSettings {
            name: "program".into(),
            run: ["sh", "-c", script].map(str::to_owned).into(),
            timeout: Duration::from_secs(30),
            record: RecordSettings {
                format: RecordFormat::KeyValue { columns: Vec::new() },
                ..RecordSettings::default()
            },
            backoff_max: Duration::from_secs(1),
            ..CommandSettings::default()
        };
        adjust(&mut settings);
        let (queue, deliveries) = mpsc::channel(10);
        let decoder = SampleDecoder::new(&AgentId::new("gw").expect("an id"), true, "program");
        let commits = CommitHandle::over(queue);
        let (source, counters) =
            start(settings, |stopping| Outlet::new("command program".into(), decoder, commits, stopping));
        Self { source, counters, deliveries }
    }

    /// Acknowledges deliveries until `count` readings have come.
    async fn readings(&mut self, count: usize) -> Vec<(String, Value)> {
        let mut readings = Vec::new();
        while readings.len() < count {
            let delivery = tokio::time::timeout(SOON, self.deliveries.recv())
                .await
                .expect("in time")
                .expect("a delivery");
            (delivery.done)(Ok(()));
            readings.extend(
                delivery
                    .readings
                    .into_iter()
                    .map(|reading| (reading.series.event_type.clone(), reading.value)),
            );
        }
        readings
    }
}

fn number(name: &str, number: f64) -> (String, Value) {
    (name.to_owned(), Value::Number(number))
}

#[tokio::test]
async fn lines_of_a_program_that_runs_on_are_read_as_they_come() {
    let mut world =
        World::start("echo temp=21.5; echo; printf 'hum=40 '; echo 'temp=22'; exec sleep 60", |_| ());
    assert_eq!(world.readings(3).await, [number("temp", 21.5), number("hum", 40.0), number("temp", 22.0)]);
    world.source.stop(SOON).await;
}

#[tokio::test]
async fn a_program_that_ends_is_started_again_and_its_last_line_counts() {
    let mut world = World::start("printf temp=7", |_| ());
    assert_eq!(world.readings(2).await, [number("temp", 7.0), number("temp", 7.0)]);
    assert!(world.counters.counts().runs >= 1);
    assert_eq!(world.counters.counts().failures, 0);
    world.source.stop(SOON).await;
}

#[tokio::test]
async fn at_an_interval_a_program_that_hangs_is_ended_with_all_its_children() {
    let marker = tempfile::tempdir().expect("a directory");
    let alive = marker.path().join("alive");
    let script = format!(
        "(trap '' TERM; while :; do date > {}; sleep 0.1; done) & echo temp=1; wait",
        alive.display()
    );
    let mut world = World::start(&script, |settings| {
        settings.interval = Some(Duration::from_secs(600));
        settings.timeout = Duration::from_secs(1);
    });
    world.readings(1).await;
    while world.counters.counts().failures == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.source.stop(SOON).await;
    std::fs::remove_file(&alive).expect("it was alive");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!alive.exists(), "a child of the program goes on");
}

#[tokio::test]
async fn a_line_that_a_run_began_is_not_the_beginning_of_the_next_runs() {
    let once = tempfile::tempdir().expect("a directory");
    let marker = once.path().join("ran");
    let script = format!(
        "if [ -e {0} ]; then echo 'temp=3'; else touch {0}; printf 'temp=12'; sleep 60; fi",
        marker.display()
    );
    let mut world = World::start(&script, |settings| {
        settings.interval = Some(Duration::from_secs(2));
        settings.timeout = Duration::from_secs(1);
    });
    assert_eq!(world.readings(1).await, [number("temp", 3.0)]);
    world.source.stop(SOON).await;
}

#[tokio::test]
async fn what_a_program_began_to_print_before_it_failed_is_no_line() {
    let mut world = World::start("echo temp=1; printf temp=12; exit 1", |_| ());
    assert_eq!(world.readings(2).await, [number("temp", 1.0), number("temp", 1.0)]);
    world.source.stop(SOON).await;
}

#[tokio::test]
async fn a_child_that_keeps_the_output_open_does_not_hold_up_the_next_run() {
    let mut world = World::start("sleep 60 & echo temp=1", |_| ());
    assert_eq!(world.readings(2).await.len(), 2);
    world.source.stop(SOON).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_and_a_failure_is_counted() {
    let mut world = World::start("echo nonsense; echo temp=1; echo broken >&2; exit 3", |_| ());
    let delivery = world.deliveries.recv().await.expect("a delivery");
    let letter = &delivery.dead_letters[0];
    assert_eq!((letter.origin.as_str(), letter.payload.as_slice()), ("command program", &b"nonsense"[..]));
    (delivery.done)(Ok(()));
    while world.counters.counts().failures == 0 {
        if let Ok(delivery) = world.deliveries.try_recv() {
            (delivery.done)(Ok(()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(world.counters.counts().unreadable >= 1);
    world.source.stop(SOON).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_failure_and_no_panic() {
    let world = World::start("", |settings| settings.run = vec!["/nonexistent/program".into()]);
    while world.counters.counts().failures == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.source.stop(SOON).await;
}
