//! `[[command]]`: a program that prints readings, a line each.

use std::time::Duration;

use super::section::Section;
use super::serial::{RecordFormat, RecordSettings, read_record};

/// One program.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CommandSettings {
    /// The source's name in its readings.
    pub name: String,
    /// The program and its arguments; no shell reads them.
    pub run: Vec<String>,
    /// How often it is started; none lets it run for ever, and starts it again when it ends.
    pub interval: Option<Duration>,
    /// With an interval: it is ended when it takes longer. Default: 30 s.
    pub timeout: Duration,
    /// What stands in a line.
    pub record: RecordSettings,
    /// The longest pause before a program that ended is started again. Default: 60 s.
    pub backoff_max: Duration,
}

pub(super) fn read(section: &mut Section<'_>) -> CommandSettings {
    let name = section.text("name", "");
    if name.is_empty() {
        section.fault("name", "is needed: the source's name in its readings");
    }
    let run = section.texts("run", &[]);
    if run.first().is_none_or(String::is_empty) {
        section.fault("run", "is needed: the program and its arguments, such as [\"/usr/bin/sensors-once\"]");
    }
    let interval = section.number("interval_seconds", 0, 0..=86_400);
    let timeout = section.number("timeout_seconds", 30, 1..=3600);
    let record = read_record(section);
    if matches!(record.format, RecordFormat::Binary(_)) {
        section.fault("format", "cannot be binary: a program prints lines");
    }
    CommandSettings {
        name,
        run,
        interval: (interval > 0).then(|| Duration::from_secs(interval)),
        timeout: Duration::from_secs(timeout),
        record,
        backoff_max: Duration::from_secs(section.number("backoff_max_seconds", 60, 1..=3600)),
    }
}
