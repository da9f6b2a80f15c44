//! What is kept, what is withheld and why, and that a refused group leaves no trace.

use std::time::Duration;

use super::*;
use crate::config::{ExceptionSettings, Pattern};

const SECOND: i64 = 1_000_000;
const ARRIVED: TimestampMicros = TimestampMicros(1_790_000_000 * SECOND);

fn reading(source: &str, seconds: f64, value: impl Into<Value>) -> Reading {
    let series = Arc::new(Series::new("temperature", source).expect("a valid series"));
    let time = TimestampMicros(ARRIVED.0 + (seconds * SECOND as f64) as i64);
    Reading { series, time, value: value.into() }
}

fn number(seconds: f64, number: f64) -> Reading {
    reading("gw/a", seconds, Value::Number(number))
}

struct World {
    edge: Edge,
    now: Instant,
}

impl World {
    fn new(rule: SeriesSettings) -> Self {
        Self::with(vec![rule], LimitSettings::default())
    }

    fn with(rules: Vec<SeriesSettings>, limits: LimitSettings) -> Self {
        Self { edge: Edge::new(&rules, limits), now: Instant::now() }
    }

    fn exception(exception: ExceptionSettings) -> Self {
        Self::new(SeriesSettings { exception, ..SeriesSettings::default() })
    }

    /// One delivery that is then acknowledged.
    fn screen(&mut self, readings: Vec<Reading>) -> Screened {
        let screened = self.edge.screen(readings, self.now, ARRIVED);
        self.edge.settle(&screened.withheld);
        screened
    }

    /// The numbers that are kept of those.
    fn kept(&mut self, readings: impl IntoIterator<Item = (f64, f64)>) -> Vec<f64> {
        let readings = readings.into_iter().map(|(seconds, value)| number(seconds, value)).collect();
        let kept = self.screen(readings).kept.into_iter();
        kept.filter_map(|reading| if let Value::Number(number) = reading.value { Some(number) } else { None })
            .collect()
    }
}

#[test]
fn without_rules_readings_pass_untouched() {
    let mut world = World::with(Vec::new(), LimitSettings::default());
    let readings = vec![number(0.0, -0.0), number(0.0, 1.0)];
    assert_eq!(world.screen(readings.clone()).kept, readings);
}

#[test]
fn a_deadband_withholds_what_differs_by_no_more() {
    let exception = ExceptionSettings { deadband: Some(0.5), ..ExceptionSettings::default() };
    let mut world = World::exception(exception);
    // Each is compared with the last reported one, so that a slow drift is reported.
    let drift = [(0.0, 20.0), (1.0, 20.5), (2.0, 20.6), (3.0, 21.1), (4.0, 21.2), (5.0, 20.0)];
    assert_eq!(world.kept(drift), [20.0, 20.6, 21.2, 20.0]);
    assert_eq!(world.edge.counts().now(), Withheld { unchanged: 2, ..Withheld::default() });
}

#[test]
fn a_deadband_in_percent_is_of_the_last_report_and_both_must_be_exceeded() {
    let percent = ExceptionSettings { deadband_percent: Some(10.0), ..ExceptionSettings::default() };
    assert_eq!(
        World::exception(percent).kept([(0.0, -100.0), (1.0, -109.0), (2.0, -111.0)]),
        [-100.0, -111.0]
    );
    let both = ExceptionSettings { deadband: Some(1.0), ..percent };
    assert_eq!(World::exception(both).kept([(0.0, 1.0), (1.0, 1.5), (2.0, 2.1)]), [1.0, 2.1]);
}

#[test]
fn the_least_interval_holds_back_and_the_longest_reports_what_did_not_change() {
    let exception = ExceptionSettings {
        deadband: Some(0.0),
        min_interval: Some(Duration::from_secs(2)),
        max_interval: Some(Duration::from_secs(10)),
        ..ExceptionSettings::default()
    };
    let mut world = World::exception(exception);
    assert_eq!(world.kept([(0.0, 1.0), (1.0, 2.0), (2.0, 2.0), (11.9, 2.0), (12.0, 2.0)]), [1.0, 2.0, 2.0]);
    assert_eq!(world.edge.counts().now(), Withheld { too_soon: 1, unchanged: 1, ..Withheld::default() });
}

#[test]
fn words_and_switches_are_reported_when_they_change() {
    let exception = ExceptionSettings { deadband: Some(5.0), ..ExceptionSettings::default() };
    let mut world = World::exception(exception);
    let values = [
        Value::Text("auto".into()),
        Value::Text("auto".into()),
        Value::Text("hand".into()),
        Value::Boolean(true),
        Value::Boolean(true),
        Value::Number(1.0),
    ];
    let readings = values.into_iter().enumerate().map(|(n, value)| reading("gw/a", n as f64, value));
    let screened = world.screen(readings.collect());
    assert_eq!((screened.kept.len(), screened.withheld.unchanged), (4, 2));
}

#[test]
fn what_comes_late_is_kept_and_is_not_the_last_report() {
    let exception = ExceptionSettings { deadband: Some(0.0), ..ExceptionSettings::default() };
    let mut world = World::exception(exception);
    assert_eq!(world.kept([(10.0, 1.0), (5.0, 1.0), (5.0, 7.0), (11.0, 1.0)]), [1.0, 1.0, 7.0]);
}

#[test]
fn numbers_are_scaled_then_checked_and_carry_the_units_name() {
    let mut world = World::new(SeriesSettings {
        scale: Some(0.1),
        add: Some(-40.0),
        unit: Some("°C".into()),
        range: Some(-40.0..=125.0),
        ..SeriesSettings::default()
    });
    let screened = world.screen(vec![number(0.0, 615.0), number(1.0, 65535.0), number(2.0, f64::MAX)]);
    assert_eq!(screened.kept[0].value, Value::Number(21.5));
    assert_eq!(screened.kept[0].series.labels.get("unit").map(String::as_str), Some("°C"));
    assert_eq!((screened.kept.len(), screened.dead_letters.len()), (1, 2));
    let letter = &screened.dead_letters[0];
    assert_eq!(
        (letter.reason.as_str(), letter.detail.as_str()),
        ("out_of_range", "6513.5 is outside -40 to 125")
    );
    assert_eq!(letter.origin, "series temperature@gw/a");
}

#[test]
fn the_first_rule_that_matches_decides() {
    let for_source = |source: &str, scale| SeriesSettings {
        source: Pattern::new(source),
        scale: Some(scale),
        ..SeriesSettings::default()
    };
    let mut world =
        World::with(vec![for_source("*/a", 2.0), for_source("gw/*", 3.0)], LimitSettings::default());
    let readings = ["gw/a", "gw/b", "elsewhere"].map(|source| reading(source, 0.0, Value::Number(1.0)));
    let values: Vec<_> =
        world.screen(readings.into()).kept.into_iter().map(|reading| reading.value).collect();
    assert_eq!(values, [2.0, 3.0, 1.0].map(Value::Number));
}

#[test]
fn a_rate_allows_bursts_of_one_second_by_the_readings_own_times() {
    let mut world = World::new(SeriesSettings { max_rate: Some(3), ..SeriesSettings::default() });
    let burst = |from: f64| (0..5).map(move |n| (from + f64::from(n) * 0.01, f64::from(n)));
    // All in one moment of this machine: a disk that stalled makes no device too fast.
    assert_eq!(world.kept(burst(0.0)), [0.0, 1.0, 2.0]);
    assert_eq!(world.kept(burst(0.4)), [0.0]);
    assert_eq!(world.kept(burst(10.0)), [0.0, 1.0, 2.0]);
    assert_eq!(world.edge.counts().now().rate_limit, 2 + 4 + 2);
    assert_eq!(world.kept(burst(5.0)).len(), 5, "what is late is kept");
}

#[test]
fn a_broken_sensor_does_not_fill_the_dead_letters() {
    let mut world =
        World::new(SeriesSettings { scale: Some(2.0), range: Some(0.0..=10.0), ..SeriesSettings::default() });
    let screened = world.screen((0..500).map(|n| number(f64::from(n), 99.0)).collect());
    assert_eq!((screened.dead_letters.len(), screened.withheld.out_of_range), (100, 400));
    let payload = String::from_utf8_lossy(&screened.dead_letters[0].payload).into_owned();
    assert!(payload.contains("99.0"), "as it was measured: {payload}");
}

#[test]
fn series_beyond_the_limit_are_refused_and_known_ones_go_on() {
    let mut world = World::with(Vec::new(), LimitSettings { series: Some(2) });
    let sources = ["gw/a", "gw/b", "gw/c", "gw/a", "gw/d"];
    let screened = world.screen(sources.map(|source| reading(source, 0.0, Value::Number(1.0))).into());
    assert_eq!((screened.kept.len(), screened.withheld.series_limit), (3, 2));
}

#[test]
fn a_refused_group_leaves_no_trace() {
    let exception = ExceptionSettings { deadband: Some(0.0), ..ExceptionSettings::default() };
    let mut world = World::new(SeriesSettings { exception, max_rate: Some(2), ..SeriesSettings::default() });
    assert_eq!(world.kept([(0.0, 1.0)]), [1.0]);
    for _ in 0..3 {
        let screened = world.edge.screen(vec![number(0.1, 2.0), number(0.2, 3.0)], world.now, ARRIVED);
        // Of a rate of 2 one is left.
        assert_eq!((screened.kept.len(), screened.withheld.rate_limit), (1, 1));
        world.edge.undo();
    }
    assert_eq!(world.edge.counts().now(), Withheld::default());
    assert_eq!(world.kept([(0.1, 2.0)]), [2.0]);
}

#[test]
fn memory_is_bounded_when_devices_invent_series() {
    let mut world =
        World::exception(ExceptionSettings { deadband: Some(0.0), ..ExceptionSettings::default() });
    for n in 0..MAX_REMEMBERED + 10 {
        world.screen(vec![reading(&format!("gw/{n}"), 0.0, Value::Number(1.0))]);
    }
    assert!(world.edge.states.len() <= MAX_REMEMBERED + 1, "{}", world.edge.states.len());
    assert!(world.edge.known.len() <= MAX_REMEMBERED + 1);
    for n in 0..MAX_REMEMBERED + 10 {
        let fresh = reading(&format!("gw/refused/{n}"), 0.0, Value::Number(1.0));
        world.edge.screen(vec![fresh], world.now, ARRIVED);
        world.edge.undo();
    }
    assert!(world.edge.states.len() <= MAX_REMEMBERED + 1);
}
