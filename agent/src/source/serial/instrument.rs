//! From the bytes of a line to committed readings. Outlives the openings of its port.

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_shared::reading::TimestampMicros;

use super::ahead::{before, byte_time};
use super::counters::SerialCounters;
use crate::allowance::Allowance;
use crate::clock::Clock;
use crate::config::SerialSettings;
use crate::decode::frame::{Cut, Framer};
use crate::decode::record::RecordParser;
use crate::decode::{Sample, Unreadable};
use crate::delivery::NotCommitted;
use crate::source::Outlet;

/// A line with faults says so this often at most.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

pub(super) struct Instrument {
    framer: Framer,
    parser: RecordParser,
    outlet: Outlet,
    allowance: Allowance,
    byte_time: Duration,
    known_faults: u64,
    complained: Option<Instant>,
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
        Self {
            framer: Framer::new(&settings.framing),
            parser: RecordParser::new(settings.record.clone()),
            outlet,
            allowance: Allowance::new(Instant::now()),
            known_faults: 0,
            complained: None,
            byte_time: byte_time(settings.port.baud),
            read_at: TimestampMicros(i64::MIN),
            counters,
        }
    }

    /// Returns the clock that tells when something was read.
    pub(super) const fn clock(&self) -> &Arc<Clock> {
        self.outlet.clock()
    }

    /// Takes what was read at a moment, and returns when it is on disk: whether a wanted frame was among it.
    pub(super) async fn take(
        &mut self,
        bytes: &[u8],
        read_at: TimestampMicros,
        wanted: Wanted<'_>,
    ) -> Result<bool, NotCommitted> {
        let mut cuts = Vec::new();
        self.counters.count_bytes(bytes.len());
        self.framer.feed(bytes, &mut cuts);
        self.commit(cuts, read_at, wanted).await
    }

    /// Notes that the line fell silent.
    pub(super) async fn settle(&mut self, wanted: Wanted<'_>) -> Result<bool, NotCommitted> {
        let mut cuts = Vec::new();
        self.framer.settle(&mut cuts);
        let now = self.outlet.clock().now();
        self.commit(cuts, now, wanted).await
    }

    /// Notes that what has come will not be completed.
    pub(super) async fn end(&mut self, wanted: Wanted<'_>) -> Result<bool, NotCommitted> {
        let mut cuts = Vec::new();
        self.framer.end(&mut cuts);
        let now = self.outlet.clock().now();
        self.commit(cuts, now, wanted).await
    }

    async fn commit(
        &mut self,
        cuts: Vec<Cut>,
        read_at: TimestampMicros,
        wanted: Wanted<'_>,
    ) -> Result<bool, NotCommitted> {
        self.counters.set_frames(self.framer.counts());
        let read_before = std::mem::replace(&mut self.read_at, read_at);
        // Frames of one read came one after the other, and all of them after the read before.
        let total =
            cuts.iter().map(|cut| if let Cut::Record { behind, .. } = cut { *behind } else { 0 }).max();
        let total = total.unwrap_or_default();
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
                    let time = before(read_at, behind, total, read_before, self.byte_time);
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
        self.complain();
        if !samples.is_empty() || !unreadable.is_empty() {
            self.outlet.commit(samples, unreadable).await?;
        }
        Ok(answered)
    }

    /// Tells the operator of faults of the line, now and then.
    fn complain(&mut self) {
        let counts = self.counters.counts();
        let faults = counts.checksum_errors + counts.malformed + counts.unreadable + counts.unanswered;
        let is_due = self.complained.is_none_or(|at| at.elapsed() > COMPLAINT_INTERVAL);
        if faults > self.known_faults && is_due {
            tracing::warn!(source = self.outlet.source(), ?counts, "serial line has faults");
            self.known_faults = faults;
            self.complained = Some(Instant::now());
        }
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
