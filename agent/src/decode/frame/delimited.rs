//! Frames that end with bytes which stand nowhere else: lines, SLIP, COBS.

use super::checksum::Check;
use super::rule::{Fault, Silence, Step};

const SLIP_ESCAPE: u8 = 0xDB;
const SLIP_ESCAPED_END: u8 = 0xDC;
const SLIP_ESCAPED_ESCAPE: u8 = 0xDD;
const SLIP_END: u8 = 0xC0;

/// How a frame keeps the delimiter out of its inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// It does not.
    Line,
    Slip,
    Cobs,
}

#[derive(Debug)]
pub(super) struct Delimited {
    delimiter: Vec<u8>,
    packing: Packing,
    check: Option<Check>,
    max_frame: usize,
    drop_first: bool,
    /// How far the bytes at hand were searched for the delimiter.
    searched: usize,
    /// Whether what comes before the next delimiter is dropped.
    dropping: bool,
}

impl Delimited {
    pub(super) fn new(
        delimiter: &[u8],
        packing: Packing,
        check: Option<Check>,
        max_frame: usize,
        drop_first: bool,
    ) -> Self {
        let delimiter = delimiter.to_vec();
        Self { delimiter, packing, check, max_frame, drop_first, searched: 0, dropping: drop_first }
    }

    pub(super) fn forget(&mut self) {
        self.searched = 0;
        self.dropping = self.drop_first;
    }

    pub(super) fn next(&mut self, rest: &[u8], silence: Silence) -> Step {
        let from = self.searched.min(rest.len());
        let found = rest[from..].windows(self.delimiter.len()).position(|window| window == self.delimiter);
        let Some(length) = found.map(|position| from + position) else {
            return self.unfinished(rest, silence);
        };
        self.searched = 0;
        let bytes = length + self.delimiter.len();
        if std::mem::take(&mut self.dropping) {
            return Step::Garbage { bytes, fault: Fault::Stray };
        }
        let packed = &rest[..length];
        if packed.iter().all(|byte| self.packing == Packing::Line && byte.is_ascii_whitespace()) {
            return Step::Pass { bytes };
        }
        match self.unpack(packed) {
            Ok(record) => Step::Take { bytes, record },
            Err(fault) => Step::Garbage { bytes, fault },
        }
    }

    fn unfinished(&mut self, rest: &[u8], silence: Silence) -> Step {
        if silence == Silence::Final {
            return Step::Garbage { bytes: rest.len(), fault: Fault::Stray };
        }
        // The delimiter's first bytes may be there already.
        let kept = (self.delimiter.len() - 1).min(rest.len());
        let done = rest.len() - kept;
        if self.dropping && done > 0 {
            self.searched = 0;
            return Step::Garbage { bytes: done, fault: Fault::Stray };
        }
        if rest.len() > self.longest_packed() {
            self.dropping = true;
            self.searched = 0;
            return Step::Garbage { bytes: done.max(1), fault: Fault::TooLong };
        }
        self.searched = done;
        Step::Wait
    }

    const fn longest_packed(&self) -> usize {
        match self.packing {
            Packing::Line => self.max_frame + self.delimiter.len(),
            Packing::Slip => 2 * self.max_frame + 1,
            Packing::Cobs => self.max_frame + self.max_frame / 254 + 2,
        }
    }

    fn unpack(&self, packed: &[u8]) -> Result<Vec<u8>, Fault> {
        let frame = match self.packing {
            Packing::Line => self.without_line_end(packed).to_vec(),
            Packing::Slip => unpack_slip(packed).ok_or(Fault::Malformed)?,
            Packing::Cobs => unpack_cobs(packed).ok_or(Fault::Malformed)?,
        };
        if frame.len() > self.max_frame {
            return Err(Fault::TooLong);
        }
        match &self.check {
            None => Ok(frame),
            Some(check) => check.verified(&frame).map(<[u8]>::to_vec).ok_or(Fault::Checksum { whole: true }),
        }
    }

    /// A carriage return before the delimiter is a part of it, also where it was not configured.
    fn without_line_end<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line.strip_suffix(b"\r").filter(|_| self.delimiter == b"\n").unwrap_or(line)
    }
}

fn unpack_slip(packed: &[u8]) -> Option<Vec<u8>> {
    let mut frame = Vec::with_capacity(packed.len());
    let mut bytes = packed.iter();
    while let Some(&byte) = bytes.next() {
        frame.push(match byte {
            SLIP_ESCAPE => match *bytes.next()? {
                SLIP_ESCAPED_END => SLIP_END,
                SLIP_ESCAPED_ESCAPE => SLIP_ESCAPE,
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(frame)
}

fn unpack_cobs(packed: &[u8]) -> Option<Vec<u8>> {
    let mut frame = Vec::with_capacity(packed.len());
    let mut rest = packed;
    while let Some((&code, after)) = rest.split_first() {
        let (run, left) = after.split_at_checked(usize::from(code).checked_sub(1)?)?;
        frame.extend_from_slice(run);
        rest = left;
        if code < u8::MAX && !rest.is_empty() {
            frame.push(0);
        }
    }
    Some(frame)
}
