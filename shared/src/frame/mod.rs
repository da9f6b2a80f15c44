//! A batch as bytes: versioned, checksummed, compressed in columns.
//!
//! ```text
//! offset      bytes  what
//! 0           1      version, 1
//! 1           4      H, length of the header, little endian
//! 5           H      header: postcard of [`BatchHeader`]
//! 5+H         4      P, length of the plain body, little endian
//! 9+H         4      C, length of the compressed body, little endian
//! 13+H        C      body: one zstd frame of postcard of the columns (see `columns`, `blocks`)
//! 13+H+C      8      checksum: XXH3-64 of everything before, little endian
//! ```
//!
//! postcard is positional: the order of the fields *is* the protocol, so a changed struct is a new version.
//! Versions: 1 (2026-11): the first.

mod blocks;
mod columns;
mod decimal;
mod limited;

use crate::answer::MAX_FRAME_BYTES;
use crate::batch::{Batch, BatchHeader};

use columns::Columns;

/// The version that this build writes.
pub const FRAME_VERSION: u8 = 1;
/// The most readings that a frame may carry; it bounds what a hostile frame can make the hub allocate.
pub const MAX_FRAME_READINGS: usize = 65_536;
/// The most commits that a frame may carry, also where many are empty.
pub const MAX_FRAME_COMMITS: usize = MAX_FRAME_READINGS;
/// The most series that a frame may tell of: each takes up to a kilobyte where it is read. A commit has a fourth of it.
pub const MAX_FRAME_SERIES: usize = 8_192;
/// The most bytes that a body may have before compression.
pub const MAX_PLAIN_BYTES: usize = 8 * 1024 * 1024;
const CHECKSUM_BYTES: usize = 8;
const LENGTH_BYTES: usize = 4;

/// Why a batch cannot become a frame.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The batch has no commits, or their numbers have gaps.
    #[error("a batch needs at least one commit, numbered without gaps")]
    NotConsecutive,
    /// The batch exceeds a limit; half of it may fit.
    #[error(
        "batch too large for a frame: {readings} readings, {plain_bytes} plain bytes, {frame_bytes} frame bytes"
    )]
    TooLarge {
        /// Its readings.
        readings: usize,
        /// Its size before compression, 0 when not reached.
        plain_bytes: usize,
        /// Its size after compression, 0 when not reached.
        frame_bytes: usize,
    },
    /// Serialising or compressing failed.
    #[error("cannot encode the batch: {0}")]
    Encode(String),
}

/// Why bytes are no acceptable frame. Every case is hopeless: the same bytes will never be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end before the frame does.
    #[error("frame is cut short: {0} bytes")]
    Truncated(usize),
    /// There are bytes after the frame's end.
    #[error("frame has {0} bytes after its end")]
    TrailingBytes(usize),
    /// This build does not read that version.
    #[error("unknown frame version {0}")]
    UnknownVersion(u8),
    /// A length exceeds its limit.
    #[error("{what} of {found} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        found: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A bit was flipped on the way or on the disk.
    #[error("checksum does not match")]
    Checksum,
    /// The header cannot be read.
    #[error("header cannot be read: {0}")]
    Header(String),
    /// The body cannot be decompressed to its declared size.
    #[error("body cannot be decompressed: {0}")]
    Compression(String),
    /// The columns do not fit each other or the header.
    #[error("body does not fit: {0}")]
    Body(String),
}

/// Packs a batch into a frame.
///
/// # Errors
/// When the batch's commits are not consecutive, or it exceeds a limit.
pub fn seal(batch: &Batch) -> Result<Vec<u8>, SealError> {
    let header = header_of(batch)?;
    let readings = header.readings as usize;
    let too_large = |plain_bytes, frame_bytes| SealError::TooLarge { readings, plain_bytes, frame_bytes };
    if readings > MAX_FRAME_READINGS || batch.commits.len() > MAX_FRAME_COMMITS {
        return Err(too_large(0, 0));
    }
    let encode = |error: postcard::Error| SealError::Encode(error.to_string());
    let header_bytes = postcard::to_allocvec(&header).map_err(encode)?;
    let columns = Columns::from_commits(&batch.commits);
    if columns.series_count() > MAX_FRAME_SERIES {
        return Err(too_large(0, 0));
    }
    let plain = columns.into_plain().map_err(encode)?;
    let plain_bytes = plain.bytes.len();
    if plain_bytes > MAX_PLAIN_BYTES {
        return Err(too_large(plain_bytes, 0));
    }
    let body = blocks::compress(&plain).map_err(|error| SealError::Encode(error.to_string()))?;

    let total = 1 + 3 * LENGTH_BYTES + header_bytes.len() + body.len() + CHECKSUM_BYTES;
    if total > MAX_FRAME_BYTES {
        return Err(too_large(plain_bytes, total));
    }
    let mut frame = Vec::with_capacity(total);
    frame.push(FRAME_VERSION);
    push_length(&mut frame, header_bytes.len());
    frame.extend_from_slice(&header_bytes);
    push_length(&mut frame, plain_bytes);
    push_length(&mut frame, body.len());
    frame.extend_from_slice(&body);
    let checksum = xxhash_rust::xxh3::xxh3_64(&frame);
    frame.extend_from_slice(&checksum.to_le_bytes());
    Ok(frame)
}

/// Reads what a frame says of itself and verifies its checksum, without unpacking the readings.
///
/// # Errors
/// When the bytes are not one intact frame of a known version within the limits.
pub fn read_header(frame: &[u8]) -> Result<BatchHeader, FrameError> {
    split(frame).map(|parts| parts.header)
}

/// Unpacks a frame.
///
/// # Errors
/// When the bytes are not one intact frame of a known version within the limits, or its parts contradict.
pub fn open(frame: &[u8]) -> Result<Batch, FrameError> {
    let Parts { header, plain_bytes, body } = split(frame)?;
    let plain =
        blocks::decompress(body, plain_bytes).map_err(|error| FrameError::Compression(error.to_string()))?;
    let columns: Columns =
        postcard::from_bytes(&plain).map_err(|error| FrameError::Body(error.to_string()))?;
    let commits = columns.into_commits(&header)?;
    Ok(Batch {
        agent: header.agent,
        epoch: header.epoch,
        gaps: header.gaps,
        received_at: header.received_at,
        commits,
    })
}

struct Parts<'a> {
    header: BatchHeader,
    plain_bytes: usize,
    body: &'a [u8],
}

fn split(frame: &[u8]) -> Result<Parts<'_>, FrameError> {
    check_limit("frame bytes", frame.len(), MAX_FRAME_BYTES)?;
    let truncated = || FrameError::Truncated(frame.len());
    let (&version, rest) = frame.split_first().ok_or_else(truncated)?;
    if version != FRAME_VERSION {
        return Err(FrameError::UnknownVersion(version));
    }
    let (header_bytes, rest) = take_length(rest).ok_or_else(truncated)?;
    let (header_slice, rest) = rest.split_at_checked(header_bytes).ok_or_else(truncated)?;
    let (plain_bytes, rest) = take_length(rest).ok_or_else(truncated)?;
    let (body_bytes, rest) = take_length(rest).ok_or_else(truncated)?;
    let (body, rest) = rest.split_at_checked(body_bytes).ok_or_else(truncated)?;
    let (checksum, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>().ok_or_else(truncated)?;
    if !rest.is_empty() {
        return Err(FrameError::TrailingBytes(rest.len()));
    }
    if xxhash_rust::xxh3::xxh3_64(&frame[..frame.len() - CHECKSUM_BYTES]) != u64::from_le_bytes(*checksum) {
        return Err(FrameError::Checksum);
    }
    check_limit("plain body bytes", plain_bytes, MAX_PLAIN_BYTES)?;
    let header: BatchHeader =
        postcard::from_bytes(header_slice).map_err(|error| FrameError::Header(error.to_string()))?;
    check_header(&header)?;
    Ok(Parts { header, plain_bytes, body })
}

fn check_header(header: &BatchHeader) -> Result<(), FrameError> {
    check_limit("readings", header.readings as usize, MAX_FRAME_READINGS)?;
    if header.first.0 == 0 || header.last < header.first {
        return Err(FrameError::Header(format!("commits {} to {} are no range", header.first, header.last)));
    }
    let commits = usize::try_from(header.last.0 - header.first.0).unwrap_or(usize::MAX).saturating_add(1);
    check_limit("commits", commits, MAX_FRAME_COMMITS)?;
    let mut expected = header.follows().next();
    for gap in &header.gaps {
        if gap.first != expected || gap.last < gap.first || gap.last >= header.first {
            return Err(FrameError::Header("declared gaps do not lead up to the first commit".into()));
        }
        expected = gap.last.next();
    }
    if expected != header.first {
        return Err(FrameError::Header("declared gaps do not lead up to the first commit".into()));
    }
    Ok(())
}

fn header_of(batch: &Batch) -> Result<BatchHeader, SealError> {
    let (first, last) = match (batch.commits.first(), batch.commits.last()) {
        (Some(first), Some(last)) => (first.number, last.number),
        _ => return Err(SealError::NotConsecutive),
    };
    let consecutive = batch.commits.windows(2).all(|pair| pair[1].number == pair[0].number.next());
    if !consecutive || first.0 == 0 {
        return Err(SealError::NotConsecutive);
    }
    let readings: usize = batch.commits.iter().map(|commit| commit.readings.len()).sum();
    let too_large = |_| SealError::TooLarge { readings, plain_bytes: 0, frame_bytes: 0 };
    Ok(BatchHeader {
        agent: batch.agent.clone(),
        epoch: batch.epoch,
        first,
        last,
        gaps: batch.gaps.clone(),
        readings: u32::try_from(readings).map_err(too_large)?,
        received_at: batch.received_at,
    })
}

fn push_length(frame: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("every part is limited far below 4 GiB");
    frame.extend_from_slice(&length.to_le_bytes());
}

fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    Some((u32::from_le_bytes(*length) as usize, rest))
}

const fn check_limit(what: &'static str, found: usize, limit: usize) -> Result<(), FrameError> {
    if found > limit { Err(FrameError::TooLarge { what, found, limit }) } else { Ok(()) }
}
