//! What stands on the screen. Pure: from the looks so far to lines.

use std::collections::VecDeque;

use penstock_agent::status::{self, SourceCounts, Status};
use penstock_shared::reading::TimestampMicros;

use crate::commands::tap::moment;

/// So many looks make the curve.
const CURVE: usize = 60;
const BAR: usize = 30;
/// What a source counts of what it takes in: the first of these that it counts at all.
const TAKEN: [&str; 4] = ["readings", "frames", "answers", "lines"];
/// The same of what cannot be read.
const UNREADABLE: [&str; 3] = ["deadLetters", "unreadable", "garbled"];
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const MEBIBYTE: f64 = 1_048_576.0;

/// The looks so far.
#[derive(Default)]
pub(super) struct History {
    rates: VecDeque<f64>,
    last: Option<Box<Status>>,
    before: Option<Box<Status>>,
}

impl History {
    pub(super) fn note(&mut self, status: Box<Status>) {
        self.before = self.last.take();
        let received = match &self.before {
            Some(before) => {
                rate(before, &status, before.report.counts.received, status.report.counts.received)
            }
            None => status.report.received_per_second,
        };
        self.rates.push_back(received);
        if self.rates.len() > CURVE {
            self.rates.pop_front();
        }
        self.last = Some(status);
    }
}

/// Returns the screen's lines, with what keeps the last look from being new.
pub(super) fn lines(history: &History, fault: Option<&str>, now: TimestampMicros) -> Vec<String> {
    let Some(status) = &history.last else {
        return vec![
            format!("penstock-agent  {}  (q quits)", moment(now)),
            format!("✗ {}", fault.unwrap_or("no answer yet")),
        ];
    };
    let report = &status.report;
    let mut lines =
        vec![format!("penstock-agent {}  {}  {}  (q quits)", report.version, report.agent, moment(now))];
    if let Some(fault) = fault {
        lines.push(format!("✗ {fault}: the last look is of {}", moment(report.time)));
    }
    let wrongs = status::wrongs(status, report.time);
    lines.extend(wrongs.iter().map(|wrong| format!("✗ {wrong}")));
    if wrongs.is_empty() && fault.is_none() {
        lines.push("✓ all well".to_owned());
    }
    lines.push(String::new());
    lines.push(format!(
        "in      {:>10.1}/s  {}",
        history.rates.back().unwrap_or(&0.0),
        curve(&history.rates)
    ));
    lines.push(format!("out     {:>10.1}/s", report.stored_per_second));
    let (used, quota) = (report.buffer_bytes, report.buffer_quota_bytes.max(1));
    let part = (used as f64 / quota as f64).min(1.0);
    lines.push(format!(
        "buffer  {} {:.1} of {:.1} MiB, {} readings",
        bar(part),
        used as f64 / MEBIBYTE,
        quota as f64 / MEBIBYTE,
        report.counts.buffered
    ));
    lines.push(format!("lag     {}", lag(status, now)));
    lines.push(format!("hub     {} {}", status.hub, hub(status)));
    if let Some(wear) = &status.wear {
        lines.push(format!("wear    {}", status::worn(wear)));
    }
    let counts = &report.counts;
    lines.push(format!(
        "books   {} received {} {} stored + {} buffered + {} dead letters + {} evicted + {} rejected",
        counts.received,
        if counts.is_balanced() { "=" } else { "≠" },
        counts.stored,
        counts.buffered,
        counts.dead_lettered,
        counts.evicted,
        counts.rejected
    ));
    lines.push(String::new());
    lines.extend(sources(history, status));
    lines
}

/// Returns a look in one line.
pub(super) fn line(status: &Status, now: TimestampMicros) -> String {
    let report = &status.report;
    let wrongs = status::wrongs(status, now);
    format!(
        "{} in {:.1}/s out {:.1}/s buffered {} ({:.1} MiB) lag {} hub {}{}",
        moment(now),
        report.received_per_second,
        report.stored_per_second,
        report.counts.buffered,
        report.buffer_bytes as f64 / MEBIBYTE,
        lag(status, now),
        hub(status),
        wrongs.first().map_or_else(String::new, |wrong| format!(" ✗ {wrong}")),
    )
}

fn sources(history: &History, status: &Status) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<40} {:>12} {:>14} {:<10} {:>12}",
        "source", "per second", "in all", "", "unreadable"
    )];
    for source in &status.sources {
        let Some((taken, count)) = first_of(source, &TAKEN) else { continue };
        let before = history.before.as_ref().and_then(|before| Some((before, same(before, source)?)));
        let per_second = before.map_or(0.0, |(before, same)| {
            rate(before, status, same.counts.get(taken).copied().unwrap_or(0), count)
        });
        let unreadable = first_of(source, &UNREADABLE).map_or(0, |(_, count)| count);
        let name = format!("{} {}", source.kind, source.name);
        lines.push(format!("{name:<40} {per_second:>12.1} {count:>14} {taken:<10} {unreadable:>12}"));
    }
    lines
}

fn first_of(source: &SourceCounts, names: &[&'static str]) -> Option<(&'static str, u64)> {
    names.iter().find_map(|name| Some((*name, *source.counts.get(*name)?)))
}

fn same<'a>(status: &'a Status, source: &SourceCounts) -> Option<&'a SourceCounts> {
    status.sources.iter().find(|other| other.kind == source.kind && other.name == source.name)
}

fn rate(before: &Status, now: &Status, then: u64, count: u64) -> f64 {
    let seconds = (now.report.time.0 - before.report.time.0) as f64 / 1e6;
    if seconds > 0.0 { count.saturating_sub(then) as f64 / seconds } else { 0.0 }
}

fn lag(status: &Status, now: TimestampMicros) -> String {
    match status.report.oldest_buffered_at {
        Some(at) => format!("{:.1} s", (now.0 - at.0).max(0) as f64 / 1e6),
        None => "nothing waits".to_owned(),
    }
}

fn hub(status: &Status) -> &'static str {
    match (&status.hub_state.fault, status.hub_state.reached_at) {
        (None, Some(_)) => "answers",
        (None, None) => "not asked yet",
        (Some(_), _) => "does not answer",
    }
}

fn bar(part: f64) -> String {
    let full = (part * BAR as f64).round() as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full))
}

fn curve(rates: &VecDeque<f64>) -> String {
    let most = rates.iter().copied().fold(1.0, f64::max);
    let step = |rate: &f64| STEPS[((rate / most) * (STEPS.len() - 1) as f64).round() as usize % STEPS.len()];
    rates.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_as_high_as_its_highest_rate() {
        assert_eq!(curve(&[0.0, 50.0, 100.0].into()), "▁▅█");
        assert_eq!(curve(&VecDeque::new()), "");
        assert_eq!(bar(0.5), format!("[{}{}]", "#".repeat(15), ".".repeat(15)));
    }

    #[test]
    fn a_source_is_told_by_what_it_counts() {
        let counts = [("openings", 1), ("frames", 7), ("unreadable", 2)];
        let counts = counts.map(|(name, count)| (name.to_owned(), count)).into();
        let source = SourceCounts { kind: "serial".into(), name: "scale".into(), counts };
        assert_eq!(first_of(&source, &TAKEN), Some(("frames", 7)));
        assert_eq!(first_of(&source, &UNREADABLE), Some(("unreadable", 2)));
    }

    #[test]
    fn without_a_look_the_screen_says_why() {
        let lines = lines(&History::default(), Some("the agent does not run"), TimestampMicros(1_000_000));
        assert_eq!(lines[1], "✗ the agent does not run");
    }
}
