//! What was heard, by series and by reason, and what it would weigh.

use std::collections::BTreeMap;
use std::sync::Arc;

use penstock_shared::batch::{Batch, Commit};
use penstock_shared::frame;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};

use crate::config::Settings;
use crate::delivery::DeadLetter;
use crate::edge::{Screened, Withheld};

/// More series, or kinds of dead letters, than this are counted but not listed.
const MAX_LISTED: usize = 10_000;

/// What was heard.
#[derive(Debug)]
pub struct Tally {
    /// By series.
    pub series: BTreeMap<Arc<Series>, SeriesTally>,
    /// By reason and origin.
    pub dead_letters: BTreeMap<(String, String), DeadLetterTally>,
    /// Readings that would be kept.
    pub readings: u64,
    /// What would not be kept.
    pub withheld: Withheld,
    /// Bytes of the frames that would go to the hub.
    pub bytes: u64,
    /// How many frames that would be.
    pub batches: u64,
    /// Messages at the built-in MQTT server, which were not acknowledged.
    pub unacknowledged: u64,
    /// What could not be heard.
    pub notes: Vec<String>,
    agent: AgentId,
    batch_readings: usize,
    linger_micros: i64,
    waiting: Vec<Reading>,
    waiting_since: TimestampMicros,
}

/// One series.
#[derive(Debug)]
pub struct SeriesTally {
    /// How many readings.
    pub readings: u64,
    /// The last value.
    pub last: Value,
}

/// One kind of dead letter.
#[derive(Debug)]
pub struct DeadLetterTally {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub example: DeadLetter,
}

impl Tally {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            series: BTreeMap::new(),
            dead_letters: BTreeMap::new(),
            readings: 0,
            withheld: Withheld::default(),
            bytes: 0,
            batches: 0,
            unacknowledged: 0,
            notes: Vec::new(),
            agent: settings.agent.id.clone(),
            batch_readings: settings.forward.batch_readings,
            linger_micros: i64::try_from(settings.forward.linger.as_micros()).unwrap_or(i64::MAX),
            waiting: Vec::new(),
            waiting_since: TimestampMicros::now(),
        }
    }

    pub(super) fn add(&mut self, screened: Screened, dead_letters: Vec<DeadLetter>) {
        self.withheld.add(&screened.withheld);
        for letter in dead_letters.into_iter().chain(screened.dead_letters) {
            let key = (letter.reason.clone(), letter.origin.clone());
            if self.dead_letters.len() < MAX_LISTED || self.dead_letters.contains_key(&key) {
                self.dead_letters
                    .entry(key)
                    .or_insert(DeadLetterTally { count: 0, example: letter })
                    .count += 1;
            }
        }
        let now = TimestampMicros::now();
        if now.0 - self.waiting_since.0 > self.linger_micros {
            self.weigh();
        }
        if self.waiting.is_empty() {
            self.waiting_since = now;
        }
        for reading in screened.kept {
            self.readings += 1;
            if let Some(series) = self.series.get_mut(&reading.series) {
                series.readings += 1;
                series.last = reading.value.clone();
            } else if self.series.len() < MAX_LISTED {
                let fresh = SeriesTally { readings: 1, last: reading.value.clone() };
                self.series.insert(Arc::clone(&reading.series), fresh);
            }
            self.waiting.push(reading);
            if self.waiting.len() >= self.batch_readings {
                self.weigh();
            }
        }
    }

    /// Weighs what waits for company no longer.
    pub(super) fn finish(&mut self) {
        self.weigh();
    }

    fn weigh(&mut self) {
        let readings = std::mem::take(&mut self.waiting);
        if readings.is_empty() {
            return;
        }
        let number = CommitNumber(self.batches + 1);
        let batch = Batch {
            agent: self.agent.clone(),
            epoch: Epoch::random(),
            gaps: Vec::new(),
            received_at: TimestampMicros::now(),
            commits: vec![Commit { number, readings }],
        };
        match frame::seal(&batch) {
            Ok(frame) => {
                self.bytes += frame.len() as u64;
                self.batches += 1;
            }
            Err(error) => self.notes.push(format!("bytes not weighed: {error}")),
        }
    }
}
