//! Steps through bytes that may end or lie anywhere. Pure.

use std::ops::Range;

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Returns how far it has come, from the beginning of the bytes.
    pub(super) const fn place(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let range = self.range(length)?;
        self.bytes.get(range)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    /// Reads sled's number: up to 240 in one byte; 241 to 249 begin two or three bytes, each group counting on from
    /// where the one before ends; 250 to 255 are followed by three to eight bytes, little endian.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let lead = self.byte()?;
        Some(match lead {
            0..=240 => u64::from(lead),
            241..=248 => 240 + 256 * (u64::from(lead) - 241) + u64::from(self.byte()?),
            249 => 2288 + 256 * u64::from(self.byte()?) + u64::from(self.byte()?),
            250..=255 => {
                let mut wide = [0; 8];
                let length = usize::from(lead) - 247;
                wide[..length].copy_from_slice(self.take(length)?);
                u64::from_le_bytes(wide)
            }
        })
    }

    /// Passes over bytes that stand behind their length, and returns where they are.
    pub(super) fn counted(&mut self) -> Option<Range<usize>> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.range(length)
    }

    fn range(&mut self, length: usize) -> Option<Range<usize>> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let range = self.at..end;
        self.at = end;
        Some(range)
    }
}
