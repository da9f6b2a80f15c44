//! From what a program prints to committed readings.

use std::sync::Arc;
use std::time::Instant;

use super::counters::CommandCounters;
use crate::allowance::Allowance;
use crate::config::CommandSettings;
use crate::config::serial::{Framing, FramingSettings};
use crate::decode::Unreadable;
use crate::decode::frame::{Cut, Framer};
use crate::decode::record::RecordParser;
use crate::delivery::NotCommitted;
use crate::source::Outlet;

/// A longer line is garbage.
const MAX_LINE_BYTES: usize = 16 * 1024;

pub(super) struct LineReader {
    framer: Framer,
    parser: RecordParser,
    outlet: Outlet,
    allowance: Allowance,
    is_mid_line: bool,
    pub(super) counters: Arc<CommandCounters>,
}

impl LineReader {
    pub(super) fn new(settings: &CommandSettings, outlet: Outlet, counters: Arc<CommandCounters>) -> Self {
        let lines = FramingSettings {
            framing: Framing::Lines { delimiter: b"\n".to_vec() },
            max_frame_bytes: MAX_LINE_BYTES,
            ..FramingSettings::default()
        };
        Self {
            framer: Framer::new(&lines),
            parser: RecordParser::new(settings.record.clone()),
            outlet,
            allowance: Allowance::new(Instant::now()),
            is_mid_line: false,
            counters,
        }
    }

    /// Takes what was printed, and returns when its lines are on disk.
    pub(super) async fn take(&mut self, bytes: &[u8]) -> Result<(), NotCommitted> {
        self.is_mid_line = bytes.last().map_or(self.is_mid_line, |last| *last != b'\n');
        let mut cuts = Vec::new();
        self.framer.feed(bytes, &mut cuts);
        let (mut samples, mut unreadable) = (Vec::new(), Vec::new());
        for cut in cuts {
            let parsed = match cut {
                // Programs part their output with empty lines.
                Cut::Record { record, .. } if record.trim_ascii().is_empty() => continue,
                Cut::Record { record, .. } => self.parser.parse(&record),
                Cut::Bad { reason, bytes } => {
                    Err(Unreadable { reason, detail: "the line is too long".to_owned(), payload: bytes })
                }
            };
            self.counters.count_line(parsed.is_err());
            match parsed {
                Ok(record) => samples.extend(record),
                Err(letter) => unreadable.extend(self.allowance.take(Instant::now()).then_some(letter)),
            }
        }
        if samples.is_empty() && unreadable.is_empty() {
            return Ok(());
        }
        self.outlet.commit(samples, unreadable).await
    }

    /// Forgets a line that was begun: it is not the beginning of what the next run prints.
    pub(super) fn forget(&mut self) {
        if std::mem::take(&mut self.is_mid_line) {
            self.counters.count_line(true);
        }
        self.framer.end(&mut Vec::new());
    }

    /// Takes the last line also where nothing ends it.
    pub(super) async fn end(&mut self) -> Result<(), NotCommitted> {
        if self.is_mid_line { self.take(b"\n").await } else { Ok(()) }
    }
}
