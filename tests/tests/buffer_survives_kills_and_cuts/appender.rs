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
    Buffer, BufferSettings, Freezing, Group, Lane, ReadLimits, SentCommit, StoredCommit,
};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use rand::Rng;

const DIRECTORY: &str = "PENSTOCK_APPENDER_DIRECTORY";
const FIRST: &str = "PENSTOCK_APPENDER_FIRST";
const DRAINS: &str = "PENSTOCK_APPENDER_DRAINS";
/// After the disk refused.
const PAUSE: Duration = Duration::from_millis(5);
const UNTIL_BYTES: &str = "PENSTOCK_APPENDER_UNTIL_BYTES";

/// What an appender is to do.
pub(crate) struct Task {
    /// The first number that it appends; none at all with the largest one.
    pub(crate) first: u64,
    /// Whether what the buffer holds is sent at the same time, as to a hub.
    pub(crate) drains: bool,
    /// Ends when the buffer has so many bytes.
    pub(crate) until_bytes: Option<u64>,
}

impl Task {
    /// Returns the task as environment variables.
    pub(crate) fn environment(&self, directory: &std::path::Path) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (DIRECTORY, directory.to_str().unwrap().to_owned()),
            (FIRST, self.first.to_string()),
            (DRAINS, self.drains.to_string()),
        ];
        variables.extend(self.until_bytes.map(|bytes| (UNTIL_BYTES, bytes.to_string())));
        variables
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
    let first: u64 = asked(FIRST).unwrap();
    let drains: bool = asked(DRAINS).unwrap();
    let until_bytes: Option<u64> = asked(UNTIL_BYTES);
    let mut settings = BufferSettings::new(directory);
    settings.min_free_bytes = 0;
    settings.quota_bytes = 4 << 30;
    settings.segment_bytes = if until_bytes.is_some() { 16 << 20 } else { 1 << 20 };
    let buffer = Buffer::open(settings).unwrap();
    say(format_args!("opened {}", buffer.epoch()));
    if until_bytes.is_none() {
        freeze(buffer.clone());
    }
    let draining = drains.then(|| drain(buffer.clone(), first == u64::MAX));
    if first < u64::MAX {
        append(&buffer, first, until_bytes);
    }
    if let Some(draining) = draining {
        draining.join().unwrap();
    }
    for fault in buffer.faults() {
        say(format_args!("fault {fault}"));
    }
}

fn append(buffer: &Buffer, mut first: u64, until_bytes: Option<u64>) {
    let series = Arc::new(Series::new("number", "gw/appender").unwrap());
    let mut random = rand::rng();
    let mut number = first;
    while until_bytes.is_none_or(|bytes| buffer.bytes_on_disk() < bytes) {
        let long = until_bytes.is_some() || random.random_ratio(1, 8);
        let (readings, text) = if long { (8, 4000) } else { (random.random_range(1..40), 24) };
        let readings = (number..number + readings).map(|number| Reading {
            series: Arc::clone(&series),
            time: TimestampMicros::now(),
            value: Value::Text(format!("{number} {}", noise(&mut random, text))),
        });
        let group =
            Group { readings: readings.collect(), received_at: TimestampMicros::now(), ..Group::default() };
        number += group.readings.len() as u64;
        match buffer.append(&group) {
            Ok(_) => say(format_args!("acknowledged {first} {}", number - 1)),
            // A device would send the same once more: here each attempt has numbers of its own.
            Err(_) => {
                first = number;
                std::thread::sleep(PAUSE);
            }
        }
    }
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
    let limits = ReadLimits { readings: 1000, readings_cap: 10_000, bytes_cap: 4 << 20, commits: 64 };
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
