//! The status as a person reads it: one screen, what is wrong on top.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat};
use penstock_shared::reading::TimestampMicros;

use super::Status;
use crate::edge::Withheld;
use crate::wear::Wear;

/// A running agent writes its status far more often than this.
const STALE_SECONDS: i64 = 15;
const MEBIBYTE: f64 = 1_048_576.0;
/// Readings wait for a second or so when all is well; this is a backlog.
const LAG_SECONDS: i64 = 60;

/// Says what is wrong in a status as it is `now`, the worst first; nothing when all is well.
#[must_use]
pub fn wrongs(status: &Status, now: TimestampMicros) -> Vec<String> {
    let report = &status.report;
    let mut wrongs = Vec::new();
    if !report.counts.is_balanced() {
        wrongs.push("the sum does not hold: records are lost or counted twice".to_owned());
    }
    let age = seconds_since(report.time, now);
    if !status.running {
        wrongs.push(format!("the agent does not run: this is what it left {} ago", span(age)));
    } else if age > STALE_SECONDS {
        wrongs.push(format!("the agent is stuck: this status is {} old", span(age)));
    }
    wrongs.extend(report.faults.iter().cloned());
    if let Some(fault) = status.hub_state.fault.as_ref().filter(|_| report.faults.is_empty()) {
        wrongs.push(format!("hub does not take reports: {fault}"));
    }
    if !status.clock_set {
        wrongs.push("clock is not set: readings wait until it is".to_owned());
    }
    if let Some(lag) = lag(status, now).filter(|lag| *lag > LAG_SECONDS) {
        wrongs.push(format!("{} readings wait, the oldest for {}", report.counts.buffered, span(lag)));
    }
    wrongs
}

/// Renders a status as it is `now`.
#[must_use]
pub fn render(status: &Status, now: TimestampMicros) -> String {
    let mut screen = Screen::default();
    for wrong in wrongs(status, now) {
        screen.line("✗ wrong", &wrong);
    }
    if screen.text.is_empty() {
        screen.line("✓ all well", "");
    }
    screen.line("", "");
    screen.state(status, now);
    screen.line("", "");
    screen.books(status);
    screen.sources(status);
    screen.text
}

#[derive(Default)]
struct Screen {
    text: String,
}

impl Screen {
    fn line(&mut self, name: &str, value: &str) {
        let name = format!("{name:<14}");
        // Writing to a string cannot fail.
        writeln!(self.text, "{}", format!("{name}{value}").trim_end()).unwrap_or_default();
    }

    fn state(&mut self, status: &Status, now: TimestampMicros) {
        let report = &status.report;
        let state = match status.running {
            true => {
                format!("running for {}, process {}", span(seconds_since(report.started_at, now)), status.pid)
            }
            false => format!("not running, last at {}", moment(report.time)),
        };
        self.line("agent", &format!("{} {} ({state})", report.agent, report.version));
        let reached = match (&status.hub_state.fault, status.hub_state.reached_at) {
            (None, None) => "not asked yet".to_owned(),
            (None, Some(at)) => format!("answers, {} ago", span(seconds_since(at, now))),
            (Some(_), None) => "does not answer, nor did since the start".to_owned(),
            (Some(_), Some(at)) => format!("does not answer, last did {}", moment(at)),
        };
        self.line("hub", &format!("{} ({reached})", status.hub));
        self.line("epoch", &report.epoch);
        self.line("started", &moment(report.started_at));
        let (received, stored) = (report.received_per_second, report.stored_per_second);
        self.line("rate", &format!("{received:.1}/s in, {stored:.1}/s out"));
        let lag = lag(status, now).map_or_else(|| "nothing waits".to_owned(), span);
        let oldest =
            report.oldest_buffered_at.map_or_else(String::new, |at| format!(" (since {})", moment(at)));
        self.line("lag", &format!("{lag}{oldest}"));
        let mebibytes = |bytes: u64| bytes as f64 / MEBIBYTE;
        let (used, quota) = (mebibytes(report.buffer_bytes), mebibytes(report.buffer_quota_bytes));
        let part = 100.0 * report.buffer_bytes as f64 / report.buffer_quota_bytes.max(1) as f64;
        let free = status
            .disk_free_bytes
            .map_or_else(String::new, |free| format!(", {:.0} MiB free on the disk", mebibytes(free)));
        self.line("buffer", &format!("{used:.1} of {quota:.1} MiB ({part:.0} %){free}"));
        if let Some(wear) = &status.wear {
            self.line("wear", &worn(wear));
        }
        self.line("clock", if status.clock_set { "set" } else { "not set" });
    }

    fn books(&mut self, status: &Status) {
        let counts = &status.report.counts;
        self.line("received", &format!("{:>14}", counts.received));
        let parts = [
            ("stored", counts.stored),
            ("buffered", counts.buffered),
            ("dead letters", counts.dead_lettered),
            ("evicted", counts.evicted),
            ("rejected", counts.rejected),
        ];
        for (name, count) in parts {
            self.line(&format!("  {name}"), &format!("{count:>14}"));
        }
        let verdict = if counts.is_balanced() {
            "✓ every record is accounted for"
        } else {
            "✗ the sum does not hold"
        };
        self.line("", verdict);
        for (name, count) in withheld(status) {
            self.line("withheld", &format!("{count:>14} {name}"));
        }
    }

    fn sources(&mut self, status: &Status) {
        for source in &status.sources {
            let counts = source.counts.iter().filter(|(_, count)| **count > 0);
            let counts: Vec<_> = counts.map(|(name, count)| format!("{count} {}", words(name))).collect();
            let counts = if counts.is_empty() { "nothing yet".to_owned() } else { counts.join(", ") };
            self.line(&format!("{} ", source.kind), &format!("{}: {counts}", source.name));
        }
    }
}

/// Says what the disk bears, in decimal units as disks are sold.
#[must_use]
pub fn worn(wear: &Wear) -> String {
    let day = |bytes: f64| match bytes {
        ..1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} GB", bytes / 1e9),
    };
    let written = match (wear.written_bytes_per_day, &wear.unknown) {
        (Some(bytes), _) => format!("{} a day to the disk", day(bytes)),
        (None, Some(reason)) => format!("not known what goes to the disk ({reason})"),
        (None, None) => "not known yet what goes to the disk".to_owned(),
    };
    let amplification =
        wear.write_amplification.map_or_else(String::new, |times| format!(" {times:.1} times"));
    format!(
        "{written},{amplification} the {} of readings, {:.1} fsyncs/s, over the last {}",
        day(wear.entry_bytes_per_day),
        wear.fsyncs_per_second,
        span(wear.span_seconds as i64)
    )
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

/// Returns for how many seconds the oldest reading has waited; none when nothing waits.
fn lag(status: &Status, now: TimestampMicros) -> Option<i64> {
    status.report.oldest_buffered_at.map(|at| seconds_since(at, now))
}

fn seconds_since(then: TimestampMicros, now: TimestampMicros) -> i64 {
    now.0.saturating_sub(then.0).max(0) / 1_000_000
}

/// Returns seconds in the two largest units.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min {} s", seconds / 60, seconds % 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
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
