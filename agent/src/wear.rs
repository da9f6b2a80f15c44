//! What this process costs its disk: the counters, which are the process's as the kernel's are, and rates from them.
//!
//! The kernel's `write_bytes` counts pages of 4 KiB as they are dirtied: what goes to the device for the file system's
//! own journal and tables is not in it, nor is room that is only allocated. Of fsyncs those are counted that we ask
//! for; sled adds one as it closes a segment.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

static ENTRY_BYTES: AtomicU64 = AtomicU64::new(0);
static FSYNCS: AtomicU64 = AtomicU64::new(0);

/// Where the kernel says what this process has written.
const ACCOUNT: &str = "/proc/self/io";
/// Rates are over the last hour.
const SPAN: Duration = Duration::from_secs(3600);
/// Samples are kept at this distance: 61 of them.
const STEP: Duration = Duration::from_secs(60);
const SECONDS_A_DAY: f64 = 86_400.0;

/// Counts the bytes of an encoded commit that went into the buffer.
pub(crate) fn note_entry(bytes: usize) {
    ENTRY_BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Counts an fsync or fdatasync.
pub(crate) fn note_fsync() {
    FSYNCS.fetch_add(1, Ordering::Relaxed);
}

/// What the disk has borne since the program's start, and at which rate it does at present.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wear {
    /// Bytes of pages that the process dirtied on disks, as the kernel counts them; none where it does not tell.
    pub written_bytes: Option<u64>,
    /// Why the kernel does not tell.
    pub unknown: Option<String>,
    /// Bytes of encoded readings put into the buffer.
    pub entry_bytes: u64,
    /// Calls of fsync and fdatasync.
    pub fsyncs: u64,
    /// The seconds that the rates below look back: an hour, or since the start.
    pub span_seconds: f64,
    /// At the present rate.
    pub written_bytes_per_day: Option<f64>,
    /// At the present rate.
    pub entry_bytes_per_day: f64,
    /// Bytes written for each byte of readings within the span; none where nothing came in.
    pub write_amplification: Option<f64>,
    /// Within the span.
    pub fsyncs_per_second: f64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    written_bytes: Option<u64>,
    entry_bytes: u64,
    fsyncs: u64,
}

/// The counters of the last hour, a sample a minute.
#[derive(Debug)]
pub(crate) struct WearLog {
    samples: VecDeque<Sample>,
}

impl WearLog {
    /// Begins with the counters as they are.
    pub(crate) fn new() -> Self {
        Self::beginning_with(take(Instant::now()).0)
    }

    /// Returns what the disk has borne up to now.
    pub(crate) fn now(&mut self) -> Wear {
        let (sample, unknown) = take(Instant::now());
        Wear { unknown, ..self.note(sample) }
    }

    fn beginning_with(sample: Sample) -> Self {
        Self { samples: VecDeque::from([sample]) }
    }

    fn note(&mut self, now: Sample) -> Wear {
        if self.samples.back().is_none_or(|newest| now.at - newest.at >= STEP) {
            self.samples.push_back(now);
        }
        // The newest sample that is old enough stays as the base.
        while self.samples.get(1).is_some_and(|second| now.at - second.at >= SPAN) {
            self.samples.pop_front();
        }
        let base = self.samples.front().copied().unwrap_or(now);
        let span_seconds = (now.at - base.at).as_secs_f64();
        let per_second = |grown: u64| if span_seconds > 0.0 { grown as f64 / span_seconds } else { 0.0 };
        let entry_bytes = now.entry_bytes.saturating_sub(base.entry_bytes);
        let written_bytes =
            now.written_bytes.zip(base.written_bytes).map(|(now, then)| now.saturating_sub(then));
        Wear {
            written_bytes: now.written_bytes,
            unknown: None,
            entry_bytes: now.entry_bytes,
            fsyncs: now.fsyncs,
            span_seconds,
            written_bytes_per_day: written_bytes.map(|grown| per_second(grown) * SECONDS_A_DAY),
            entry_bytes_per_day: per_second(entry_bytes) * SECONDS_A_DAY,
            write_amplification: written_bytes
                .filter(|_| entry_bytes > 0)
                .map(|written| written as f64 / entry_bytes as f64),
            fsyncs_per_second: per_second(now.fsyncs.saturating_sub(base.fsyncs)),
        }
    }
}

fn take(at: Instant) -> (Sample, Option<String>) {
    let (written_bytes, unknown) = match written_bytes(Path::new(ACCOUNT)) {
        Ok(bytes) => (Some(bytes), None),
        Err(error) => (None, Some(format!("{ACCOUNT}: {error}"))),
    };
    let (entry_bytes, fsyncs) = (ENTRY_BYTES.load(Ordering::Relaxed), FSYNCS.load(Ordering::Relaxed));
    (Sample { at, written_bytes, entry_bytes, fsyncs }, unknown)
}

fn written_bytes(account: &Path) -> std::io::Result<u64> {
    let text = std::fs::read_to_string(account)?;
    let told = text.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    let told = told.and_then(|bytes| bytes.trim().parse().ok());
    told.ok_or_else(|| std::io::Error::other("says no write_bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(start: Instant, second: u64, written_bytes: Option<u64>, entry_bytes: u64) -> Sample {
        Sample { at: start + Duration::from_secs(second), written_bytes, entry_bytes, fsyncs: 2 * second }
    }

    #[test]
    fn rates_look_back_an_hour_or_to_the_start() {
        let start = Instant::now();
        let mut log = WearLog::beginning_with(sample(start, 0, Some(5_000), 0));
        // For an hour 30 bytes a second for 10 of readings, then nothing.
        for second in (5..=7_500_u64).step_by(5) {
            let busy = second.min(3_600);
            let wear = log.note(sample(start, second, Some(5_000 + 30 * busy), 10 * busy));
            assert!(wear.span_seconds <= 3_660.0 && log.samples.len() <= 62, "{wear:?}");
            match second {
                60 | 3_600 => {
                    assert_eq!(wear.span_seconds, second as f64);
                    assert_eq!(wear.written_bytes_per_day, Some(30.0 * SECONDS_A_DAY));
                    assert_eq!(wear.entry_bytes_per_day, 10.0 * SECONDS_A_DAY);
                    assert_eq!(wear.write_amplification, Some(3.0));
                    assert_eq!(wear.fsyncs_per_second, 2.0);
                }
                5_400 => assert_eq!(wear.written_bytes_per_day, Some(15.0 * SECONDS_A_DAY)),
                7_500 => {
                    assert_eq!(wear.written_bytes, Some(113_000));
                    assert_eq!((wear.written_bytes_per_day, wear.write_amplification), (Some(0.0), None));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_not_zero() {
        let start = Instant::now();
        let mut log = WearLog::beginning_with(sample(start, 0, None, 0));
        let wear = log.note(sample(start, 10, None, 100));
        assert_eq!(
            (wear.written_bytes, wear.written_bytes_per_day, wear.write_amplification),
            (None, None, None)
        );
        assert_eq!(wear.entry_bytes_per_day, 10.0 * SECONDS_A_DAY);
        let dir = tempfile::tempdir().unwrap();
        let account = dir.path().join("io");
        assert!(written_bytes(&account).is_err());
        std::fs::write(&account, "wchar: 5\n").unwrap();
        assert_eq!(written_bytes(&account).unwrap_err().to_string(), "says no write_bytes");
        std::fs::write(&account, "wchar: 5\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n").unwrap();
        assert_eq!(written_bytes(&account).unwrap(), 4096);
    }
}
