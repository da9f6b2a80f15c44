//! The note in a closed segment's directory that says what is in it, so that nobody has to open it to know.
//!
//! Only a shortcut: where the note is missing or damaged, the segment is opened and read.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::books::SegmentInfo;
use super::disk;

pub(super) const FILE: &str = "seal";
const SEAL_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;

/// Writes the note; durable when it returns.
pub(super) fn write(segment_dir: &Path, info: &SegmentInfo) -> io::Result<()> {
    let mut bytes = postcard::to_extend(info, vec![SEAL_VERSION]).map_err(io::Error::other)?;
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    let mut file = File::create(segment_dir.join(FILE))?;
    file.write_all(&bytes)?;
    disk::sync_all(&file)?;
    disk::sync_dir(segment_dir)
}

/// Removes the note, as the segment is written to again; durable when it returns: it would hide what is written now.
pub(super) fn break_open(segment_dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(segment_dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => disk::sync_dir(segment_dir),
    }
}

/// Reads the note; none when it is missing or damaged.
pub(super) fn read(segment_dir: &Path) -> Option<SegmentInfo> {
    let bytes = std::fs::read(segment_dir.join(FILE)).ok()?;
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    let (version, info) = content.split_first()?;
    if *version != SEAL_VERSION || xxh3_64(content).to_le_bytes() != checksum {
        return None;
    }
    postcard::from_bytes(info).ok()
}
