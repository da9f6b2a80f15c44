//! From a stream of bytes, cut anywhere, to the frames in it.
//!
//! ```text
//! bytes ─▶ buffer (bounded) ─▶ rule: wait, take a frame, or skip garbage ─▶ records and bad frames
//! ```
//!
//! Pure: no I/O, no clock, no panic whatever the bytes. A frame whose checksum does not hold is never given out. After
//! garbage the search goes on one byte further, so that no intact frame behind it is missed. This module must not know
//! what stands in a frame.

mod checksum;
mod delimited;
mod rule;
mod sliding;

use crate::config::serial::FramingSettings;
use crate::decode::Reason;
use rule::{Fault, Rule, Silence, Step};

/// Bytes that are looked at in one go; the buffer never holds more than this and the longest frame.
const CHUNK: usize = 1024;

/// What came out of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// An intact frame.
    Record {
        /// What it holds, without what frames it.
        record: Vec<u8>,
        /// How many bytes came after it in the same feed: it ended that long ago.
        behind: usize,
    },
    /// A frame with a beginning and an end that is not intact.
    Bad {
        /// A short constant word for counting.
        reason: Reason,
        /// The frame as it came, cut to a bounded length.
        bytes: Vec<u8>,
    },
}

/// What was found, counted since the framer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameCounts {
    /// Intact frames.
    pub frames: u64,
    /// How often an intact frame followed after garbage.
    pub resynchronisations: u64,
    /// Frames whose checksum did not hold. Where frames are found by their length, only the first of a search counts.
    pub checksum_errors: u64,
    /// Frames that were too long or wrongly packed.
    pub malformed: u64,
    /// Bytes that belong to no frame.
    pub garbage_bytes: u64,
}

/// Cuts one line into frames.
#[derive(Debug)]
pub struct Framer {
    rule: Rule,
    buffer: Vec<u8>,
    /// Where the next frame is looked for; what lies before is done with.
    at: usize,
    /// How much of the feed is not in the buffer yet.
    unfed: usize,
    /// Whether garbage was skipped since the last frame.
    lost: bool,
    counts: FrameCounts,
}

impl Framer {
    /// Makes a framer that knows nothing of the line yet.
    #[must_use]
    pub fn new(settings: &FramingSettings) -> Self {
        Self {
            rule: Rule::new(settings),
            buffer: Vec::new(),
            at: 0,
            unfed: 0,
            lost: false,
            counts: FrameCounts::default(),
        }
    }

    /// Returns what was found so far.
    #[must_use]
    pub const fn counts(&self) -> FrameCounts {
        self.counts
    }

    /// Takes what came, and appends what is complete with it.
    pub fn feed(&mut self, bytes: &[u8], cuts: &mut Vec<Cut>) {
        self.unfed = bytes.len();
        for chunk in bytes.chunks(CHUNK) {
            self.unfed -= chunk.len();
            self.buffer.extend_from_slice(chunk);
            self.cut(Silence::No, cuts);
        }
    }

    /// Notes that the line fell silent. What looks like the beginning of a long frame, but has whole frames in it, is
    /// no frame; what has none goes on waiting.
    pub fn settle(&mut self, cuts: &mut Vec<Cut>) {
        self.cut(Silence::Short, cuts);
    }

    /// Notes that nothing will complete what has come: it is searched for intact frames and dropped.
    pub fn end(&mut self, cuts: &mut Vec<Cut>) {
        self.cut(Silence::Final, cuts);
        self.rule.forget();
    }

    fn cut(&mut self, silence: Silence, cuts: &mut Vec<Cut>) {
        loop {
            let rest = &self.buffer[self.at..];
            if rest.is_empty() {
                break;
            }
            match self.rule.next(rest, silence) {
                Step::Wait => break,
                Step::Take { bytes, record } => {
                    self.advance(bytes);
                    self.counts.frames += 1;
                    self.counts.resynchronisations += u64::from(std::mem::take(&mut self.lost));
                    let behind = self.buffer.len() - self.at + self.unfed;
                    cuts.push(Cut::Record { record, behind });
                }
                Step::Pass { bytes } => self.advance(bytes),
                Step::Garbage { bytes, fault } => self.skip(bytes, fault, cuts),
            }
        }
        self.buffer.drain(..self.at);
        self.at = 0;
    }

    fn skip(&mut self, bytes: usize, fault: Fault, cuts: &mut Vec<Cut>) {
        let bytes = bytes.clamp(1, self.buffer.len() - self.at);
        // A search that slides over garbage meets a fault at every byte; the first one tells it all.
        let new = fault.is_whole_frame() || !self.lost;
        self.counts.checksum_errors +=
            u64::from(new && fault == Fault::Checksum { whole: fault.is_whole_frame() });
        self.counts.malformed += u64::from(matches!(fault, Fault::Malformed | Fault::TooLong));
        self.counts.garbage_bytes += bytes as u64;
        if let Some(reason) = fault.reason() {
            let kept = bytes.min(crate::decode::MAX_KEPT_PAYLOAD_BYTES);
            cuts.push(Cut::Bad { reason, bytes: self.buffer[self.at..self.at + kept].to_vec() });
        }
        self.lost = true;
        self.advance(bytes);
    }

    fn advance(&mut self, bytes: usize) {
        self.at = (self.at + bytes.max(1)).min(self.buffer.len());
    }
}

#[cfg(test)]
pub(crate) mod packing;
#[cfg(test)]
mod tests;
