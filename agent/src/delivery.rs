//! What a source hands to the committer, and how it learns that the disk has it.
//!
//! This is the one door between intake and storage: sources know nothing of sled, the committer nothing of MQTT.

use penstock_shared::reading::{Reading, TimestampMicros};

/// One message's worth of records, acknowledged together.
pub struct Delivery {
    /// The readings that the message held, in its order.
    pub readings: Vec<Reading>,
    /// What could not become a reading, with the reason.
    pub dead_letters: Vec<DeadLetter>,
    /// Called exactly once, on the committer's thread, when the records are fsynced or when they cannot be.
    /// It must not block: it wakes the source, which then acknowledges.
    pub done: Box<dyn FnOnce(Result<(), NotCommitted>) + Send>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("readings", &self.readings.len())
            .field("dead_letters", &self.dead_letters.len())
            .finish_non_exhaustive()
    }
}

/// A message, or a part of one, that could not become a reading. Kept on disk for the operator.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeadLetter {
    /// When it arrived.
    pub arrived_at: TimestampMicros,
    /// Where it came from, such as `mqtt sensors/plant1/temperature`.
    pub origin: String,
    /// Why it is here: a short constant word for counting, such as `bad_json`.
    pub reason: String,
    /// A sentence for the operator with the particulars.
    pub detail: String,
    /// The payload as it came, cut to a bounded length.
    pub payload: Vec<u8>,
}

impl DeadLetter {
    /// How the origin of what the hub refused begins; its payload is a reading as JSON.
    pub const OF_HUB: &str = "hub, commit ";
    /// How the origin of a reading that is not credible begins; its payload is the reading as JSON.
    pub const OF_SERIES: &str = "series ";

    /// Tells whether the hub refused it after it had been a reading.
    #[must_use]
    pub fn is_of_hub(&self) -> bool {
        self.origin.starts_with(Self::OF_HUB)
    }
}

/// Why a delivery was not made durable; the source withholds its acknowledgement and the device sends again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCommitted {
    /// The buffer is at its quota and its policy is to block.
    #[error("buffer full: quota reached and policy is block")]
    BufferFull,
    /// The disk refused, or has less room than the floor.
    #[error("disk refused: {0}")]
    Disk(String),
    /// The agent is stopping.
    #[error("agent is stopping")]
    Stopping,
}
