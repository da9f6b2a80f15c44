//! What all sources do with a message: decode it and hand it to the committer.

use crate::committer::CommitHandle;
use crate::decode::{Ask, Decoder, SparkplugCounts};
use crate::delivery::{Delivery, NotCommitted};

/// A source's own way from a message to the committer.
#[derive(Debug)]
pub struct Intake {
    decoder: Decoder,
    commits: CommitHandle,
    asks: Vec<Ask>,
}

impl Intake {
    /// Joins a decoder, which is this source's alone, to the committer.
    #[must_use]
    pub const fn new(decoder: Decoder, commits: CommitHandle) -> Self {
        Self { decoder, commits, asks: Vec::new() }
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
        if !decoded.asks.is_empty() {
            let SparkplugCounts { gaps, unknown_aliases, .. } = self.decoder.sparkplug_counts();
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
