//! What each framing says of the bytes at hand.

use super::checksum::Check;
use super::delimited::{Delimited, Packing};
use super::sliding::{Sliding, Span};
use crate::config::serial::{Framing, FramingSettings};
use crate::decode::Reason;

/// Whether more bytes are to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// More may come at any moment.
    No,
    /// Nothing came for a while.
    Short,
    /// Nothing more will come.
    Final,
}

/// What to do with the next bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More are needed.
    Wait,
    /// An intact frame.
    Take { bytes: usize, record: Vec<u8> },
    /// Nothing, and nothing wrong: an empty line, the end of a frame before.
    Pass { bytes: usize },
    /// Bytes of no frame.
    Garbage { bytes: usize, fault: Fault },
}

/// Why bytes are garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// They belong to no frame: before the first, between two, or the rest of one that is given up.
    Stray,
    /// The checksum does not hold; `whole` where beginning and end of the frame are certain.
    Checksum { whole: bool },
    /// The frame is packed wrongly.
    Malformed,
    /// The frame is above the limit.
    TooLong,
}

impl Fault {
    pub(super) const fn is_whole_frame(self) -> bool {
        !matches!(self, Self::Stray | Self::Checksum { whole: false })
    }

    /// Returns why the frame is set aside; garbage is counted only.
    pub(super) const fn reason(self) -> Option<Reason> {
        match self {
            Self::Stray | Self::Checksum { whole: false } => None,
            Self::Checksum { whole: true } => Some(Reason::BadChecksum),
            Self::Malformed => Some(Reason::BadFraming),
            Self::TooLong => Some(Reason::PayloadTooLarge),
        }
    }
}

/// One line's framing.
#[derive(Debug)]
pub(super) enum Rule {
    Delimited(Delimited),
    Sliding(Sliding),
}

impl Rule {
    pub(super) fn new(settings: &FramingSettings) -> Self {
        let check = settings.checksum.map(Check::new);
        let max = settings.max_frame_bytes;
        let delimited = |delimiter: &[u8], packing| {
            Self::Delimited(Delimited::new(delimiter, packing, check.clone(), max, settings.drop_first))
        };
        let sliding = |start: &[u8], span| Self::Sliding(Sliding::new(start, span, check.clone(), max));
        match &settings.framing {
            Framing::Lines { delimiter } => delimited(delimiter, Packing::Line),
            Framing::Slip => delimited(&[0xC0], Packing::Slip),
            Framing::Cobs => delimited(&[0], Packing::Cobs),
            Framing::Fixed { start, length } => sliding(start, Span::Fixed(*length)),
            Framing::LengthPrefix { start, prefix_bytes, order, counts } => {
                sliding(start, Span::Prefixed { prefix_bytes: *prefix_bytes, order: *order, counts: *counts })
            }
            Framing::StxEtx => sliding(&[2], Span::UntilEtx),
        }
    }

    pub(super) fn next(&mut self, rest: &[u8], silence: Silence) -> Step {
        match self {
            Self::Delimited(rule) => rule.next(rest, silence),
            Self::Sliding(rule) => rule.next(rest, silence),
        }
    }

    /// Forgets what it knew of the line: the next bytes come after a break.
    pub(super) fn forget(&mut self) {
        match self {
            Self::Delimited(rule) => rule.forget(),
            Self::Sliding(rule) => rule.forget(),
        }
    }
}
