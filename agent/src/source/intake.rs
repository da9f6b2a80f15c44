//! What all sources do with a message: decode it and hand it to the committer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::committer::CommitHandle;
use crate::decode::{Ask, Decoded, Decoder, SparkplugCounts};
use crate::delivery::{Delivery, NotCommitted};

/// A source's own way from a message to the committer.
#[derive(Debug)]
pub struct Intake {
    decoder: Decoder,
    commits: CommitHandle,
    asks: Vec<Ask>,
    counters: Arc<IntakeCounters>,
}

/// What a source took in since the start, counted for the operator.
#[derive(Debug, Default)]
pub struct IntakeCounters {
    messages: AtomicU64,
    readings: AtomicU64,
    dead_letters: AtomicU64,
    sparkplug_gaps: AtomicU64,
    rebirths_wanted: AtomicU64,
}

impl IntakeCounters {
    /// Returns the counts with their names in the status.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(&'static str, u64)> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        vec![
            ("messages", read(&self.messages)),
            ("readings", read(&self.readings)),
            ("deadLetters", read(&self.dead_letters)),
            ("sparkplugGaps", read(&self.sparkplug_gaps)),
            ("rebirthsWanted", read(&self.rebirths_wanted)),
        ]
    }

    fn count(&self, decoded: &Decoded, sparkplug: SparkplugCounts) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.readings.fetch_add(decoded.readings.len() as u64, Ordering::Relaxed);
        self.dead_letters.fetch_add(decoded.dead_letters.len() as u64, Ordering::Relaxed);
        self.sparkplug_gaps.store(sparkplug.gaps, Ordering::Relaxed);
        self.rebirths_wanted.store(sparkplug.rebirths_wanted, Ordering::Relaxed);
    }
}

impl Intake {
    /// Joins a decoder, which is this source's alone, to the committer.
    #[must_use]
    pub fn new(decoder: Decoder, commits: CommitHandle) -> Self {
        Self { decoder, commits, asks: Vec::new(), counters: Arc::default() }
    }

    /// Counts into `counters`, which somebody else reads too.
    #[must_use]
    pub fn counting_into(mut self, counters: Arc<IntakeCounters>) -> Self {
        self.counters = counters;
        self
    }

    /// Returns what was taken in so far.
    #[must_use]
    pub fn counters(&self) -> Arc<IntakeCounters> {
        Arc::clone(&self.counters)
    }

    /// Decodes a message and prepares its delivery. None when there is nothing to commit: `done` has been called
    /// then, as the message may be acknowledged at once.
    pub fn deliver(
        &mut self,
        topic: &str,
        payload: &[u8],
        done: impl FnOnce(Result<(), NotCommitted>) + Send + 'static,
    ) -> Option<Delivery> {
        let mut decoded = self.decoder.decode(topic, payload, self.commits.clock().now());
        let sparkplug = self.decoder.sparkplug_counts();
        self.counters.count(&decoded, sparkplug);
        if !decoded.asks.is_empty() {
            let SparkplugCounts { gaps, unknown_aliases, .. } = sparkplug;
            tracing::warn!(topic, gaps, unknown_aliases, "sparkplug node missed a message, births wanted");
        }
        // A source that cannot publish leaves them, so they never pile up.
        self.asks = std::mem::take(&mut decoded.asks);
        if decoded.is_empty() {
            done(Ok(()));
            return None;
        }
        let (readings, dead_letters) = (decoded.readings, decoded.dead_letters);
        Some(Delivery { readings, dead_letters, done: Box::new(done) })
    }

    /// Returns what the last message makes the source ask of devices, for it to publish.
    pub fn take_asks(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.asks)
    }

    /// Tells whether a topic is wanted although its broker kept it from before: it describes, it does not measure.
    #[must_use]
    pub fn wants_retained(&self, topic: &str) -> bool {
        self.decoder.wants_retained(topic)
    }

    /// Returns the committer's door.
    #[must_use]
    pub const fn commits(&self) -> &CommitHandle {
        &self.commits
    }
}
