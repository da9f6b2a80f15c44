//! From the bytes of a line to committed readings. Outlives the openings of its port.

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_shared::reading::TimestampMicros;

use super::allowance::Allowance;
use super::counters::SerialCounters;
use crate::config::SerialSettings;
use crate::decode::frame::{Cut, Framer};
use crate::decode::record::RecordParser;
use crate::decode::{Sample, Unreadable};
use crate::delivery::NotCommitted;
use crate::source::Outlet;

/// Start bit, eight data bits, stop bit.
const BITS_A_BYTE: u64 = 10;

pub(super) struct Instrument {
    framer: Framer,
    parser: RecordParser,
    outlet: Outlet,
    allowance: Allowance,
    byte_time: Duration,
    /// When bytes were read last: what is read next came later.
    read_at: TimestampMicros,
    pub(super) counters: Arc<SerialCounters>,
}

/// Which frames are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// All.
    Every,
    /// The first one that is not the question itself, which some instruments repeat.
    AnswerTo(&'a [u8]),
    /// None: nobody asked.
    Nothing,
}

impl Instrument {
    pub(super) fn new(settings: &SerialSettings, outlet: Outlet, counters: Arc<SerialCounters>) -> Self {
        let micros = BITS_A_BYTE * 1_000_000 / u64::from(settings.port.baud.max(1));
        Self {
            framer: Framer::new(&settings.framing),
            parser: RecordParser::new(settings.record.clone()),
            outlet,
            allowance: Allowance::new(Instant::now()),
            byte_time: Duration::from_micros(micros),
            read_at: TimestampMicros(i64::MIN),
            counters,
        }
    }

    /// Tells whether something waits for its end.
    pub(super) const fn is_waiting(&self) -> bool {
        self.framer.is_waiting()
    }

    /// Takes what was read, and returns when it is on disk: whether a wanted frame was among it.
    pub(super) async fn take(&mut self, bytes: &[u8], wanted: Wanted<'_>) -> Result<bool, NotCommitted> {
        let mut cuts = Vec::new();
        self.framer.feed(bytes, &mut cuts);
        self.commit(cuts, wanted).await
    }

    /// Notes that the line fell silent.
    pub(super) async fn settle(&mut self, wanted: Wanted<'_>) -> Result<bool, NotCommitted> {
        let mut cuts = Vec::new();
        self.framer.settle(&mut cuts);
        self.commit(cuts, wanted).await
    }

    /// Notes that what has come will not be completed.
    pub(super) async fn end(&mut self, wanted: Wanted<'_>) -> Result<bool, NotCommitted> {
        let mut cuts = Vec::new();
        self.framer.end(&mut cuts);
        self.commit(cuts, wanted).await
    }

    async fn commit(&mut self, cuts: Vec<Cut>, wanted: Wanted<'_>) -> Result<bool, NotCommitted> {
        self.counters.set_frames(self.framer.counts());
        let read_before = self.read_at;
        self.read_at = TimestampMicros::now();
        let mut samples = Vec::new();
        let mut unreadable = Vec::new();
        let mut answered = false;
        for cut in cuts {
            let parsed = match (cut, &wanted) {
                (_, Wanted::Nothing) => continue,
                (_, Wanted::AnswerTo(_)) if answered => continue,
                (Cut::Record { record, .. }, Wanted::AnswerTo(question)) if is_echo(&record, question) => {
                    continue;
                }
                (Cut::Record { record, behind }, _) => {
                    answered = true;
                    let time = self.ended_at(behind, read_before);
                    self.parser.parse(&record).map(|record| stamped(record, time))
                }
                (Cut::Bad { reason, bytes }, _) => {
                    let detail = "the frame is not intact".to_owned();
                    Err(Unreadable { reason, detail, payload: bytes })
                }
            };
            match parsed {
                Ok(record) => samples.extend(record),
                Err(letter) => {
                    let withheld = !self.allowance.take(Instant::now());
                    self.counters.count_unreadable(withheld);
                    unreadable.extend((!withheld).then_some(letter));
                }
            }
        }
        if !samples.is_empty() || !unreadable.is_empty() {
            self.outlet.commit(samples, unreadable).await?;
        }
        Ok(answered)
    }

    /// Frames of one read came one after the other: each ended before the bytes behind it came, and all of them after
    /// the read before.
    fn ended_at(&self, behind: usize, read_before: TimestampMicros) -> TimestampMicros {
        let ago = self.byte_time.saturating_mul(u32::try_from(behind).unwrap_or(u32::MAX));
        let ended = self.read_at.0.saturating_sub(i64::try_from(ago.as_micros()).unwrap_or(i64::MAX));
        // A clock that was set back is no reason to stay in what was the future.
        TimestampMicros(ended.max(read_before.0.saturating_add(1).min(self.read_at.0)))
    }
}

fn stamped(mut samples: Vec<Sample>, time: TimestampMicros) -> Vec<Sample> {
    for sample in &mut samples {
        sample.time.get_or_insert(time);
    }
    samples
}

fn is_echo(record: &[u8], question: &[u8]) -> bool {
    !record.is_empty() && record.trim_ascii() == question.trim_ascii()
}
