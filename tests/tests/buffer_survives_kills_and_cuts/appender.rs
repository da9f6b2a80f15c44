//! The process that appends to the agent's real buffer, and says what was acknowledged and what it sent.
//!
//! A line is one write to a pipe, so that a kill leaves it whole or not there at all.

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use penstock_agent::buffer::{
    AppendError, Buffer, BufferSettings, Freezing, Group, Lane, ReadLimits, SentCommit, StoredCommit,
};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use rand::Rng;

const DIRECTORY: &str = "PENSTOCK_APPENDER_DIRECTORY";
const FIRST: &str = "PENSTOCK_APPENDER_FIRST";
const DRAINS: &str = "PENSTOCK_APPENDER_DRAINS";
/// After the disk refused.
const PAUSE: Duration = Duration::from_millis(5);
const UNTIL: &str = "PENSTOCK_APPENDER_UNTIL";
const QUOTA: &str = "PENSTOCK_APPENDER_QUOTA";
const SEGMENT: &str = "PENSTOCK_APPENDER_SEGMENT";
/// What no test here reaches.
const AMPLE_QUOTA: u64 = 4 << 30;
const SEGMENT_BYTES: u64 = 1 << 20;

/// What an appender is to do.
pub(crate) struct Task {
    /// The first number that it appends.
    pub(crate) first: u64,
    drains: bool,
    until: Until,
    quota_bytes: u64,
    segment_bytes: u64,
}

/// When an appender ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Never,
    /// The buffer has so many bytes.
    Bytes(u64),
    /// After one more group everything was sent.
    Drained,
}

impl Task {
    /// Appends until it is killed. When it `drains`, what the buffer holds is sent at the same time, as to a hub.
    pub(crate) const fn appending(first: u64, drains: bool) -> Self {
        let (until, quota_bytes, segment_bytes) = (Until::Never, AMPLE_QUOTA, SEGMENT_BYTES);
        Self { first, drains, until, quota_bytes, segment_bytes }
    }

    /// Appends until the buffer has so many bytes.
    pub(crate) const fn filling(first: u64, bytes: u64) -> Self {
        Self { until: Until::Bytes(bytes), ..Self::appending(first, false) }
    }

    /// Appends one more group and sends everything.
    pub(crate) const fn draining(first: u64) -> Self {
        Self { until: Until::Drained, ..Self::appending(first, true) }
    }

    /// The same within a quota, at which the oldest is dropped.
    pub(crate) const fn within(self, quota_bytes: u64) -> Self {
        Self { quota_bytes, segment_bytes: quota_bytes / 4, ..self }
    }

    /// The same in segments of so many bytes.
    pub(crate) const fn in_segments_of(self, segment_bytes: u64) -> Self {
        Self { segment_bytes, ..self }
    }

    fn asked() -> Option<Self> {
        let until = asked::<String>(UNTIL)?;
        let until = match until.parse() {
            Ok(bytes) => Until::Bytes(bytes),
            Err(_) if until == "drained" => Until::Drained,
            Err(_) => Until::Never,
        };
        let (quota_bytes, segment_bytes) = (asked(QUOTA)?, asked(SEGMENT)?);
        Some(Self { first: asked(FIRST)?, drains: asked(DRAINS)?, until, quota_bytes, segment_bytes })
    }

    /// Returns the task as environment variables.
    pub(crate) fn environment(&self, directory: &std::path::Path) -> Vec<(&'static str, String)> {
        let until = match self.until {
            Until::Never => "never".to_owned(),
            Until::Bytes(bytes) => bytes.to_string(),
            Until::Drained => "drained".to_owned(),
        };
        vec![
            (DIRECTORY, directory.to_str().unwrap().to_owned()),
            (FIRST, self.first.to_string()),
            (DRAINS, self.drains.to_string()),
            (UNTIL, until),
            (QUOTA, self.quota_bytes.to_string()),
            (SEGMENT, self.segment_bytes.to_string()),
        ]
    }

    fn settings(&self, directory: PathBuf) -> BufferSettings {
        let mut settings = BufferSettings::new(directory);
        settings.min_free_bytes = 0;
        settings.quota_bytes = self.quota_bytes;
        settings.segment_bytes = self.segment_bytes;
        settings.dead_letter_bytes = settings.dead_letter_bytes.min(self.quota_bytes);
        settings
    }
}

fn asked<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

fn say(line: impl Display) {
    // The test harness does not end its own line before a test begins.
    let text = format!("\n@ {line}\n");
    std::io::stdout().lock().write_all(text.as_bytes()).unwrap();
}

/// Does what the environment asks for; nothing when it asks for nothing.
pub(crate) fn run() {
    let Some(directory) = asked::<PathBuf>(DIRECTORY) else { return };
    let task = Task::asked().unwrap();
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    log.with_env_filter("warn,penstock_agent::buffer::room=off").init();
    let buffer = Buffer::open(task.settings(directory)).unwrap();
    say(format_args!("opened {}", buffer.epoch()));
    say_faults(&buffer);
    if !matches!(task.until, Until::Bytes(_)) {
        freeze(buffer.clone());
    }
    if task.until == Until::Drained {
        append_once(&buffer, task.first, 1, 24).unwrap();
    }
    let draining = task.drains.then(|| drain(buffer.clone(), task.until == Until::Drained));
    if task.until != Until::Drained {
        append(&buffer, &task);
    }
    if let Some(draining) = draining {
        draining.join().unwrap();
        say(format_args!("evicted {}", buffer.counts().evicted));
    }
    say_faults(&buffer);
}

fn say_faults(buffer: &Buffer) {
    for fault in buffer.faults() {
        say(format_args!("fault {fault}"));
    }
}

fn append(buffer: &Buffer, task: &Task) {
    let mut random = rand::rng();
    let mut number = task.first;
    let is_over = || matches!(task.until, Until::Bytes(bytes) if buffer.bytes_on_disk() >= bytes);
    while !is_over() {
        let long = task.until != Until::Never || random.random_ratio(1, 8);
        let (readings, text) = if long { (8, 4000) } else { (random.random_range(1..40), 24) };
        // A device would send the same once more: here each attempt has numbers of its own.
        if append_once(buffer, number, readings, text).is_err() {
            std::thread::sleep(PAUSE);
        }
        number += readings;
    }
}

/// Appends a group of `readings` numbers, each with some noise.
fn append_once(buffer: &Buffer, first: u64, readings: u64, text: usize) -> Result<(), AppendError> {
    let series = Arc::new(Series::new("number", "gw/appender").unwrap());
    let mut random = rand::rng();
    let last = first + readings - 1;
    let readings = (first..=last).map(|number| Reading {
        series: Arc::clone(&series),
        time: TimestampMicros::now(),
        value: Value::Text(format!("{number} {}", noise(&mut random, text))),
    });
    let group =
        Group { readings: readings.collect(), received_at: TimestampMicros::now(), ..Group::default() };
    say(format_args!("appending {first} {last} {}", buffer.newest().0.next()));
    let through = buffer.append(&group)?;
    say(format_args!("acknowledged {first} {last} {through}"));
    Ok(())
}

fn noise(random: &mut impl Rng, length: usize) -> String {
    (0..length).map(|_| char::from(random.random_range(33_u8..126))).collect()
}

/// Freezes what it can as long as the process lives.
fn freeze(buffer: Buffer) {
    std::thread::spawn(move || {
        loop {
            match buffer.freeze_oldest(|| true) {
                Ok(Freezing::Done { segment, .. }) => say(format_args!("frozen {segment}")),
                _ => std::thread::sleep(PAUSE),
            }
        }
    });
}

/// Sends as the forwarder does: what is said is what the hub has, before the buffer hears of it.
fn drain(buffer: Buffer, until_empty: bool) -> JoinHandle<()> {
    let limits = ReadLimits { readings: 1000, readings_cap: 10_000, text_bytes_cap: 512 << 10, commits: 64 };
    std::thread::spawn(move || {
        loop {
            let run = match buffer.read(Lane::Main, buffer.confirmed().0.next(), &limits) {
                Ok(run) => run,
                Err(fault) => {
                    assert!(!until_empty, "{fault}");
                    std::thread::sleep(PAUSE);
                    continue;
                }
            };
            for gap in run.gaps.iter().filter(|gap| gap.readings > 0) {
                say(format_args!("gap {} {} {:?}", gap.first, gap.last, gap.reason));
            }
            for stored in &run.commits {
                let numbers: Vec<_> = stored.commit.readings.iter().map(number_in).collect();
                say(format_args!("sent {} {} {numbers:?}", buffer.epoch(), stored.commit.number));
            }
            match run.commits.last() {
                Some(last) => {
                    let sent: Vec<_> = run.commits.iter().map(sent).collect();
                    // The confirmation is kept also where the disk refuses to write it down.
                    let kept = buffer.confirm(Lane::Main, last.commit.number, &sent);
                    assert!(kept.is_ok() || !until_empty, "{kept:?}");
                }
                None if until_empty => return,
                None => std::thread::yield_now(),
            }
        }
    })
}

fn number_in(reading: &Reading) -> u64 {
    let Value::Text(text) = &reading.value else { panic!("not what was appended: {reading:?}") };
    text.split_once(' ').unwrap().0.parse().unwrap()
}

fn sent(stored: &StoredCommit) -> SentCommit {
    SentCommit {
        number: stored.commit.number,
        readings: u32::try_from(stored.commit.readings.len()).unwrap(),
        readings_through: stored.totals.readings,
        received_at: stored.received_at,
    }
}
