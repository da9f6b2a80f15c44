//! What all sources do with a message: decode it and hand it to the committer.

use penstock_shared::reading::TimestampMicros;

use crate::committer::CommitHandle;
use crate::decode::Decoder;
use crate::delivery::{Delivery, NotCommitted};

/// A source's own way from a message to the committer.
#[derive(Debug)]
pub struct Intake {
    decoder: Decoder,
    commits: CommitHandle,
}

impl Intake {
    /// Joins a decoder, which is this source's alone, to the committer.
    #[must_use]
    pub const fn new(decoder: Decoder, commits: CommitHandle) -> Self {
        Self { decoder, commits }
    }

    /// Decodes a message and prepares its delivery. None when there is nothing to commit: `done` has been called
    /// then, as the message may be acknowledged at once.
    pub fn deliver(
        &mut self,
        topic: &str,
        payload: &[u8],
        done: impl FnOnce(Result<(), NotCommitted>) + Send + 'static,
    ) -> Option<Delivery> {
        let decoded = self.decoder.decode(topic, payload, TimestampMicros::now());
        if decoded.is_empty() {
            done(Ok(()));
            return None;
        }
        let (readings, dead_letters) = (decoded.readings, decoded.dead_letters);
        Some(Delivery { readings, dead_letters, done: Box::new(done) })
    }

    /// Returns the committer's door.
    #[must_use]
    pub const fn commits(&self) -> &CommitHandle {
        &self.commits
    }
}
