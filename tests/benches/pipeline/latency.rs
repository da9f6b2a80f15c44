//! From a publish to the update on a WebSocket that shows it.

use std::collections::HashMap;
use std::time::Duration;

use penstock_shared::reading::TimestampMicros;
use penstock_tests::device::Sensors;
use penstock_tests::live::{Heard, Live};
use penstock_tests::world::{AGENT, World};

use crate::table::{Goal, Table};

const SENSORS: usize = 20;
const PER_SECOND: f64 = 1000.0;
const WARM_UP: Duration = Duration::from_secs(5);
const SPAN: Duration = Duration::from_secs(30);
const MOST_P99_MILLIS: f64 = 300.0;

pub(crate) async fn measure(table: &mut Table) {
    let world = World::start().await;
    let mut screen = Live::connect(&world.hub.url()).await.expect("the hub takes WebSockets");
    let channel = |number: usize| format!("load@{AGENT}/sensor{number}:minute");
    for number in 0..SENSORS {
        screen.subscribe(&channel(number)).await.expect("the hub takes subscriptions");
    }
    let sensors = Sensors::start(world.agent.listener(), AGENT, SENSORS, PER_SECOND);
    // When each sensor's readings were seen: the first has index 0.
    let mut seen: HashMap<String, Vec<TimestampMicros>> = HashMap::new();
    let started = tokio::time::Instant::now();
    while started.elapsed() < WARM_UP + SPAN {
        let message = screen.next(Duration::from_millis(50)).await.expect("the hub keeps the connection");
        if let Some(Heard::MetricUpdate { channel, .. } | Heard::Snapshot { channel, .. }) = message {
            // A sensor's readings arrive in their order: a count of n shows the first n.
            let shown = usize::try_from(screen.count(&channel)).expect("few readings");
            let times = seen.entry(channel).or_default();
            times.resize(shown.max(times.len()), TimestampMicros::now());
        }
    }
    let records = sensors.stop().await;
    let skipped = (WARM_UP.as_secs_f64() * PER_SECOND / SENSORS as f64) as usize;
    let mut millis = Vec::new();
    for (number, record) in records.iter().enumerate() {
        let shown = seen.remove(&channel(number)).unwrap_or_default();
        let pairs = record.times.iter().zip(&shown).skip(skipped);
        millis.extend(pairs.map(|(published, shown)| (shown.0 - published.0) as f64 / 1000.0));
    }
    millis.sort_by(f64::total_cmp);
    assert!(millis.len() as f64 > SPAN.as_secs_f64() * PER_SECOND * 0.9, "only {} were seen", millis.len());
    let percentile = |share: f64| millis[((millis.len() - 1) as f64 * share) as usize];
    let p99 = percentile(0.99);
    table.add(
        "publish to WebSocket at 1,000 readings/s",
        format!("p50 {:.0} ms, p99 {p99:.0} ms, worst {:.0} ms", percentile(0.5), percentile(1.0)),
        format!("{} readings of {SENSORS} sources", millis.len()),
        (p99, " ms"),
        Goal::AtMost(MOST_P99_MILLIS),
    );
}
