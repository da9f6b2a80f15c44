//! Frames that are found by what stands in them: of fixed length, with their length in front, between STX and ETX.
//!
//! Where the bytes at hand are no frame, the next byte may begin one. A checksum of 8 bits passes one in 256 of any
//! bytes, and a search tries many, so a frame found by a search must be followed by another, or by silence. With 16
//! bits it need not, unless another frame within it is. A start that every frame has makes all that unnecessary.

use super::checksum::{Check, Strength};
use super::rule::{Fault, Silence, Step};
use crate::config::serial::{ByteOrder, LengthCounts};

const STX: u8 = 2;
const ETX: u8 = 3;

/// How a frame tells its length.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    Fixed(usize),
    Prefixed { prefix_bytes: usize, order: ByteOrder, counts: LengthCounts },
    UntilEtx,
}

#[derive(Debug)]
pub(super) struct Sliding {
    start: Vec<u8>,
    span: Span,
    check: Option<Check>,
    max_frame: usize,
    /// Whether the last frame ended where the next one is looked for.
    in_step: bool,
}

/// What the bytes at hand are.
enum Candidate<'a> {
    Partial,
    Intact { bytes: usize, record: &'a [u8] },
    Not(Fault),
}

impl Sliding {
    pub(super) fn new(start: &[u8], span: Span, check: Option<Check>, max_frame: usize) -> Self {
        Self { start: start.to_vec(), span, check, max_frame, in_step: false }
    }

    pub(super) const fn forget(&mut self) {
        self.in_step = false;
    }

    pub(super) fn next(&mut self, rest: &[u8], silence: Silence) -> Step {
        match self.examine(rest) {
            Candidate::Intact { bytes, record } if self.is_believed(rest, bytes, silence, self.in_step) => {
                self.in_step = true;
                Step::Take { bytes, record: record.to_vec() }
            }
            Candidate::Intact { bytes, .. }
                if silence == Silence::No && self.may_be_confirmed(rest, bytes) =>
            {
                Step::Wait
            }
            Candidate::Partial => self.partial(rest, silence),
            Candidate::Not(_) if self.is_between_frames(rest) => Step::Pass { bytes: 1 },
            Candidate::Not(fault) => self.garbage(rest, fault),
            Candidate::Intact { .. } => self.garbage(rest, Fault::Checksum { whole: false }),
        }
    }

    fn partial(&mut self, rest: &[u8], silence: Silence) -> Step {
        match silence {
            Silence::No => Step::Wait,
            Silence::Final => self.garbage(rest, Fault::Stray),
            Silence::Short if self.check.is_none() => Step::Wait,
            Silence::Short => {
                let inside = (1..rest.len()).find(|&offset| {
                    matches!(self.examine(&rest[offset..]), Candidate::Intact { bytes, .. }
                        if self.is_believed(&rest[offset..], bytes, silence, false))
                });
                match inside {
                    Some(bytes) => {
                        self.in_step = false;
                        Step::Garbage { bytes, fault: Fault::Stray }
                    }
                    None => Step::Wait,
                }
            }
        }
    }

    fn garbage(&mut self, rest: &[u8], fault: Fault) -> Step {
        self.in_step = false;
        // What cannot begin a frame need not be tried.
        let next = self.start.first().and_then(|first| rest[1..].iter().position(|byte| byte == first));
        let bytes = match (self.start.first(), next) {
            (None, _) => 1,
            (Some(_), Some(position)) => position + 1,
            (Some(_), None) => rest.len(),
        };
        Step::Garbage { bytes, fault }
    }

    fn examine<'a>(&self, rest: &'a [u8]) -> Candidate<'a> {
        let known = self.start.len().min(rest.len());
        if rest[..known] != self.start[..known] {
            return Candidate::Not(Fault::Stray);
        }
        let Some(after_start) = rest.get(self.start.len()..) else { return Candidate::Partial };
        let check_bytes = self.check.as_ref().map_or(0, Check::bytes);
        let head = self.start.len() + self.prefix_bytes();
        let frame_bytes = match self.frame_bytes(after_start, head + check_bytes) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Candidate::Partial,
            Err(fault) => return Candidate::Not(fault),
        };
        let shortest = if matches!(self.span, Span::UntilEtx) { head + 1 } else { head };
        if frame_bytes > self.max_frame || frame_bytes <= shortest + check_bytes {
            return Candidate::Not(Fault::Stray);
        }
        let Some(frame) = rest.get(..frame_bytes) else { return Candidate::Partial };
        let Some(checked) = self.check.as_ref().map_or(Some(frame), |check| check.verified(frame)) else {
            return Candidate::Not(Fault::Checksum { whole: matches!(self.span, Span::UntilEtx) });
        };
        let end = if matches!(self.span, Span::UntilEtx) { checked.len() - 1 } else { checked.len() };
        checked
            .get(head..end)
            .map_or(Candidate::Not(Fault::Stray), |record| Candidate::Intact { bytes: frame_bytes, record })
    }

    const fn prefix_bytes(&self) -> usize {
        match self.span {
            Span::Prefixed { prefix_bytes, .. } => prefix_bytes,
            Span::Fixed(_) | Span::UntilEtx => 0,
        }
    }

    /// Returns the whole frame's length; none while it cannot be told.
    fn frame_bytes(&self, after_start: &[u8], overhead: usize) -> Result<Option<usize>, Fault> {
        match self.span {
            Span::Fixed(bytes) => Ok(Some(bytes)),
            Span::Prefixed { prefix_bytes, order, counts } => {
                let Some(prefix) = after_start.get(..prefix_bytes) else { return Ok(None) };
                let big_end_first: Vec<u8> = match order {
                    ByteOrder::Big => prefix.to_vec(),
                    ByteOrder::Little => prefix.iter().rev().copied().collect(),
                };
                let told = big_end_first.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
                let uncounted = match counts {
                    LengthCounts::Payload => overhead,
                    LengthCounts::Rest => self.start.len() + prefix_bytes,
                    LengthCounts::Frame => 0,
                };
                Ok(Some(told.saturating_add(uncounted)))
            }
            Span::UntilEtx => match after_start.iter().position(|byte| [STX, ETX].contains(byte)) {
                Some(end) if after_start[end] == ETX => Ok(Some(end + 1 + overhead)),
                // A frame that begins anew was cut off before.
                Some(_) => Err(Fault::Malformed),
                None if after_start.len() > self.max_frame => Err(Fault::TooLong),
                None => Ok(None),
            },
        }
    }

    fn is_between_frames(&self, rest: &[u8]) -> bool {
        matches!(self.span, Span::UntilEtx) && matches!(rest[0], b'\r' | b'\n')
    }

    /// Tells whether an intact frame is one, and no chance match of a search.
    fn is_believed(&self, rest: &[u8], bytes: usize, silence: Silence, in_step: bool) -> bool {
        let Some(check) = &self.check else { return true };
        if in_step || !self.start.is_empty() {
            return true;
        }
        let ends_in_silence = silence != Silence::No && rest.len() == bytes;
        let followed = || ends_in_silence || self.is_intact(&rest[bytes..]);
        !is_break(&rest[..bytes])
            && match check.strength() {
                Strength::OneIn256 => followed(),
                Strength::OneIn65536 => followed() || !self.is_outdone(rest, bytes),
                Strength::Strong => true,
            }
    }

    fn is_intact(&self, rest: &[u8]) -> bool {
        matches!(self.examine(rest), Candidate::Intact { .. })
    }

    /// Tells whether another frame begins within this one, and has one behind it: this one is a chance match.
    fn is_outdone(&self, rest: &[u8], bytes: usize) -> bool {
        (1..bytes).any(|offset| match self.examine(&rest[offset..]) {
            Candidate::Intact { bytes: other, .. } => self.is_intact(&rest[offset + other..]),
            Candidate::Partial | Candidate::Not(_) => false,
        })
    }

    /// Tells whether what comes next will tell if a frame that was searched for is one.
    fn may_be_confirmed(&self, rest: &[u8], bytes: usize) -> bool {
        let is_strong = self.check.as_ref().is_none_or(|check| check.strength() == Strength::Strong);
        let is_certain = self.in_step || is_strong || !self.start.is_empty();
        !is_certain && !is_break(&rest[..bytes]) && matches!(self.examine(&rest[bytes..]), Candidate::Partial)
    }
}

/// Zeros are what a line in break condition sends, and their checksum is often zero too.
fn is_break(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
