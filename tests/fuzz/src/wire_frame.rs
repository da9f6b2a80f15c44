//! The frame that travels from agent to hub.
//!
//! An input is a whole frame, or the parts of one: no search finds a checksum of 64 bits, or what compresses to a given
//! body, so lengths, compression and checksum are put around the parts.

use penstock_shared::frame::{FRAME_VERSION, MAX_PLAIN_BYTES, open, read_header, seal};

use crate::memory::bounded;
use crate::outcome::check_shipped;

/// A first byte that no frame begins with says that parts follow: a length of two bytes, the header, the plain body.
pub(crate) const PARTS: u8 = 0;

/// A frame, or its parts.
pub(crate) fn target(bytes: &[u8]) {
    match bytes.split_first() {
        Some((&PARTS, parts)) => read(&put_together(parts)),
        _ => read(bytes),
    }
}

fn read(frame: &[u8]) {
    let header = bounded(|| read_header(frame));
    let Ok(batch) = bounded(|| open(frame)) else { return };
    assert!(header.is_ok(), "a frame is open that has no header");
    batch.commits.iter().flat_map(|commit| &commit.readings).for_each(check_shipped);
    let again = seal(&batch).expect("what was read can be written");
    let reopened = open(&again).expect("what was written can be read");
    assert!(seal(&reopened).ok() == Some(again), "what is written twice differs");
}

fn put_together(parts: &[u8]) -> Vec<u8> {
    let (length, rest) = parts.split_first_chunk().map_or(([0, 0], parts), |(length, rest)| (*length, rest));
    let (header, plain) = rest.split_at(usize::from(u16::from_le_bytes(length)).min(rest.len()));
    let plain = &plain[..plain.len().min(MAX_PLAIN_BYTES)];
    let body = zstd::bulk::compress(plain, 1).expect("memory takes everything");
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("inputs are short").to_le_bytes();
    let mut frame = vec![FRAME_VERSION];
    for part in [&length(header)[..], header, &length(plain), &length(&body), &body] {
        frame.extend_from_slice(part);
    }
    frame.extend(xxhash_rust::xxh3::xxh3_64(&frame).to_le_bytes());
    frame
}
