//! The messages in one block of sled's log, whatever is broken between them. Pure.
//!
//! sled 0.34 writes its file in blocks of one size (`buffer::extent`), which it reuses. Each begins with a header of 20
//! bytes; messages follow without gaps:
//!
//! ```text
//! bytes   what
//! 4       CRC-32 of the body and of the header behind these four bytes, little endian
//! 1       kind
//! 1 to 9  length of the body, number of the block in the order of writing, number of the page: one varint each
//! …       body
//! ```
//!
//! Nothing else is needed: neither the block's header nor sled's snapshots or pointers are looked at. Where a message
//! does not check, the next one that does is searched byte by byte.

use std::ops::RangeInclusive;

use crc::{CRC_32_ISO_HDLC, Crc, Table};

use super::cursor::Cursor;

/// The sizes that blocks may have; the largest is sled's default.
pub(super) const BLOCK_SIZES: RangeInclusive<usize> = 4 * 1024..=LARGEST_BLOCK;
pub(super) const LARGEST_BLOCK: usize = 512 * 1024;
pub(super) const BLOCK_HEADER_BYTES: usize = 20;
const CHECKSUM_BYTES: usize = 4;
/// A header's fields of one byte each.
const LEAST_HEADER_BYTES: usize = 8;
/// What is checked in one block at most while searching: hostile bytes could make every offset a long message.
const SEARCH_BYTES: usize = 64 << 20;

static CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// What a message says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole page.
    Node,
    /// A change of a page.
    Link,
    /// Something that lies in a file of its own.
    Blob,
    /// What carries no entries.
    Other,
}

/// A message whose checksum holds.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    /// The page concerned.
    pub(super) page: u64,
    /// Where it stands in the order of writing.
    pub(super) sequence: u64,
    /// Where its body begins in the block.
    pub(super) body_at: usize,
    pub(super) body: &'a [u8],
}

/// Goes over a block's messages.
pub(super) struct Messages<'a> {
    block: &'a [u8],
    block_bytes: u64,
    at: usize,
    is_lost: bool,
    search_bytes: usize,
    /// The number in the message before.
    number: Option<u64>,
    /// How often bytes that do not check stood between or before messages of one writing: damage for certain. Where
    /// nothing of the same writing follows, it may as well be the end of what was written.
    pub(super) breaks: u64,
}

impl<'a> Messages<'a> {
    /// Begins with what is there of a block of `block_bytes`.
    pub(super) fn of(block: &'a [u8], block_bytes: usize) -> Self {
        let block_bytes = block_bytes as u64;
        let number = start_of(block).map(|start| start / block_bytes);
        let is_lost = number.is_none();
        Self {
            block,
            block_bytes,
            at: BLOCK_HEADER_BYTES,
            is_lost,
            search_bytes: SEARCH_BYTES,
            number,
            breaks: 0,
        }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        while self.at + LEAST_HEADER_BYTES <= self.block.len() {
            let checked = check(self.block, self.at, &mut self.search_bytes);
            let Some((mut message, number)) = checked else {
                if self.search_bytes == 0 {
                    self.breaks += 1;
                    return None;
                }
                self.is_lost = true;
                self.at += 1;
                continue;
            };
            // What an earlier use of the block left lies behind its newest message and is no damage.
            if self.is_lost && self.number.is_none_or(|before| before == number) {
                self.breaks += 1;
            }
            self.is_lost = false;
            self.number = Some(number);
            message.sequence = number.saturating_mul(self.block_bytes).saturating_add(self.at as u64);
            self.at = message.body_at + message.body.len();
            return Some(message);
        }
        None
    }
}

/// Returns where a block stands in the order of writing, in bytes, by its header where that checks.
pub(super) fn start_of(block: &[u8]) -> Option<u64> {
    let (checksum, content) = block.get(..BLOCK_HEADER_BYTES)?.split_at(CHECKSUM_BYTES);
    if (CHECKSUM.checksum(content) ^ u32::MAX).to_le_bytes() != checksum {
        return None;
    }
    Some(u64::from_le_bytes(content[..8].try_into().ok()?) ^ i64::MAX.cast_unsigned())
}

fn check<'a>(block: &'a [u8], at: usize, search_bytes: &mut usize) -> Option<(Message<'a>, u64)> {
    let mut cursor = Cursor::at(block, at);
    let checksum: [u8; CHECKSUM_BYTES] = cursor.take(CHECKSUM_BYTES)?.try_into().ok()?;
    let kind = match cursor.byte()? {
        8 => Kind::Node,
        10 => Kind::Link,
        7 | 9 | 11 => Kind::Blob,
        1..=6 => Kind::Other,
        _ => return None,
    };
    let length = usize::try_from(cursor.varint()?).ok()?;
    let number = cursor.varint()?;
    let page = cursor.varint()?;
    let body_at = cursor.place();
    let body = cursor.take(length)?;
    *search_bytes = search_bytes.saturating_sub(length);
    let mut digest = CHECKSUM.digest();
    digest.update(body);
    digest.update(&block[at + CHECKSUM_BYTES..body_at]);
    if (digest.finalize() ^ u32::MAX).to_le_bytes() != checksum {
        return None;
    }
    Some((Message { kind, page, sequence: 0, body_at, body }, number))
}
