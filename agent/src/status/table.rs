//! The status as a person reads it.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat};
use penstock_shared::reading::TimestampMicros;

use super::Status;
use crate::edge::Withheld;

/// A running agent writes its status far more often than this.
const STALE_SECONDS: i64 = 15;
const MEBIBYTE: f64 = 1_048_576.0;

/// Renders a status as it is `now`.
pub(super) fn render(status: &Status, now: TimestampMicros) -> String {
    let report = &status.report;
    let counts = &report.counts;
    let age = (now.0 - report.time.0).max(0) / 1_000_000;
    let state = if age > STALE_SECONDS {
        format!("not running, status is {age} s old")
    } else {
        "running".to_owned()
    };
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        writeln!(text, "{}", format!("{name:<14}{value}").trim_end()).unwrap_or_default();
    };
    line("agent", format!("{} {} ({state})", report.agent, report.version));
    line("hub", status.hub.clone());
    line("epoch", report.epoch.clone());
    line("started", moment(report.started_at));
    line("rate", format!("{:.1}/s in, {:.1}/s out", report.received_per_second, report.stored_per_second));
    let (used, quota) = (report.buffer_bytes as f64 / MEBIBYTE, report.buffer_quota_bytes as f64 / MEBIBYTE);
    line("buffer", format!("{used:.1} of {quota:.1} MiB"));
    line("oldest", report.oldest_buffered_at.map_or_else(|| "nothing waits".to_owned(), moment));
    line("", String::new());
    line("received", format!("{:>14}", counts.received));
    let parts = [
        ("stored", counts.stored),
        ("buffered", counts.buffered),
        ("dead letters", counts.dead_lettered),
        ("evicted", counts.evicted),
        ("rejected", counts.rejected),
    ];
    for (name, count) in parts {
        line(&format!("  {name}"), format!("{count:>14}"));
    }
    let verdict =
        if counts.is_balanced() { "✓ every record is accounted for" } else { "✗ the sum does not hold" };
    line("", verdict.to_owned());
    for (name, count) in withheld(status) {
        line("withheld", format!("{count:>14} {name}"));
    }
    for source in &status.sources {
        let counts = source.counts.iter().filter(|(_, count)| **count > 0);
        let counts: Vec<_> = counts.map(|(name, count)| format!("{count} {}", words(name))).collect();
        let counts = if counts.is_empty() { "nothing yet".to_owned() } else { counts.join(", ") };
        line(&format!("{} ", source.kind), format!("{}: {counts}", source.name));
    }
    if !status.clock_set {
        line("clock", "not set: readings wait until it is".to_owned());
    }
    for fault in &report.faults {
        line("fault", fault.clone());
    }
    text
}

fn withheld(status: &Status) -> impl Iterator<Item = (&'static str, u64)> {
    let Withheld { unchanged, too_soon, rate_limit, series_limit, out_of_range } = status.withheld;
    let reasons = [
        ("unchanged", unchanged),
        ("too soon after the last", too_soon),
        ("above the series' rate", rate_limit),
        ("of series beyond the limit", series_limit),
        ("out of range, beyond those kept as dead letters", out_of_range),
    ];
    reasons.into_iter().filter(|(_, count)| *count > 0)
}

/// Returns a name in camel case as words.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn moment(time: TimestampMicros) -> String {
    let moment = DateTime::from_timestamp_micros(time.0);
    moment.map_or_else(|| time.0.to_string(), |moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true))
}
