//! A run of commits as one block of a frozen segment: the columns of a frame beside what only the buffer knows.
//!
//! ```text
//! offset  bytes  what
//! 0       4      "PFB1"
//! 4       8      first commit, little endian as all numbers here
//! 12      8      last commit; the commits between are all there
//! 20      4      B, length of the body
//! 24      8      XXH3-64 of the body
//! 32      8      XXH3-64 of the 32 bytes before
//! 40      B      body: kind (1 byte), then
//!                0: N (4 bytes), N bytes: zstd of postcard of `Margin`, then a frame (`penstock_shared::frame`)
//!                1: zstd of entries (`buffer::entry`), each after its length (4 bytes)
//! ```
//!
//! The second kind holds what a frame refuses: times of arrival before the clock was set, for one. A block is read
//! back in memory before it is written: what does not come out of it as it went in is never stored.

use penstock_shared::batch::{Batch, Commit};
use penstock_shared::frame;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::{Reading, TimestampMicros, Value};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::super::entry::{self, Encoder, EntryError, StoredCommit, Totals};

/// The bytes before a block's body.
pub(super) const HEAD_BYTES: usize = 40;
/// How a block begins.
pub(super) const MAGIC: [u8; 4] = *b"PFB1";
/// Bytes of a head that its checksum covers.
const CHECKED_BYTES: usize = 32;
/// A body is kept far below; one that claims more is damaged.
const MAX_BODY_BYTES: u32 = 16 << 20;
const MAX_PLAIN_BYTES: usize = 32 << 20;
const COMPRESSION_LEVEL: i32 = 3;
const LENGTH_BYTES: usize = 4;

const COLUMNS: u8 = 0;
const ENTRIES: u8 = 1;

/// What a block says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) first: CommitNumber,
    pub(super) last: CommitNumber,
    pub(super) body_bytes: u32,
    checksum: u64,
}

/// What the buffer knows of each commit beside its readings: a column each, as differences to the commit before.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Margin {
    received_at: Vec<i64>,
    /// Less the commit's own readings.
    readings: Vec<i64>,
    dead_lettered: Vec<i64>,
    rejected: Vec<i64>,
}

impl Head {
    /// Reads a head; none where there is none, or a damaged one.
    pub(super) fn read(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let long = |at: usize| bytes[at..at + 8].try_into().ok().map(u64::from_le_bytes);
        if bytes[..4] != MAGIC || long(CHECKED_BYTES)? != xxh3_64(&bytes[..CHECKED_BYTES]) {
            return None;
        }
        let body_bytes = u32::from_le_bytes(bytes[20..24].try_into().ok()?);
        let head = Self {
            first: CommitNumber(long(4)?),
            last: CommitNumber(long(12)?),
            body_bytes,
            checksum: long(24)?,
        };
        (head.first <= head.last && body_bytes <= MAX_BODY_BYTES).then_some(head)
    }

    fn write(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.last.0.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.checksum.to_le_bytes());
        let checksum = xxh3_64(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Tells whether the body is the one that was written.
    pub(super) fn fits(&self, body: &[u8]) -> bool {
        body.len() == self.body_bytes as usize && xxh3_64(body) == self.checksum
    }
}

/// Packs consecutive commits, at least one; head and body.
pub(super) fn pack(commits: &[StoredCommit]) -> std::io::Result<Vec<u8>> {
    let (Some(first), Some(last)) = (commits.first(), commits.last()) else {
        return Err(std::io::Error::other("a block needs a commit"));
    };
    let span = (first.commit.number, last.commit.number);
    let body = match pack_columns(commits).filter(|body| comes_back(body, span, commits)) {
        Some(body) => body,
        None => pack_entries(commits)?,
    };
    let body_bytes = u32::try_from(body.len()).ok().filter(|length| *length <= MAX_BODY_BYTES);
    let body_bytes = body_bytes.ok_or_else(|| std::io::Error::other("block too large"))?;
    let head = Head { first: span.0, last: span.1, body_bytes, checksum: xxh3_64(&body) };
    let mut block = Vec::with_capacity(HEAD_BYTES + body.len());
    block.extend_from_slice(&head.write());
    block.extend_from_slice(&body);
    Ok(block)
}

/// Unpacks a body whose checksum held.
pub(super) fn unpack(head: &Head, body: &[u8]) -> Result<Vec<StoredCommit>, EntryError> {
    let commits = match body.split_first() {
        Some((&COLUMNS, rest)) => unpack_columns(rest)?,
        Some((&ENTRIES, rest)) => unpack_entries(rest)?,
        Some((kind, _)) => return Err(misfit(&format!("unknown kind {kind}"))),
        None => return Err(EntryError::Missing),
    };
    let numbers = commits.iter().map(|stored| stored.commit.number.0);
    if numbers.eq(head.first.0..=head.last.0) { Ok(commits) } else { Err(misfit("numbers")) }
}

fn pack_columns(commits: &[StoredCommit]) -> Option<Vec<u8>> {
    let mut margin = Margin::default();
    let mut before = (0_i64, Totals::default());
    for stored in commits {
        let own = Totals { readings: stored.commit.readings.len() as u64, ..Totals::default() };
        let step = |now: u64, before: u64, own: u64| now.wrapping_sub(before).wrapping_sub(own).cast_signed();
        let (totals, last) = (stored.totals, before.1);
        margin.received_at.push(stored.received_at.0.wrapping_sub(before.0));
        margin.readings.push(step(totals.readings, last.readings, own.readings));
        margin.dead_lettered.push(step(totals.dead_lettered, last.dead_lettered, 0));
        margin.rejected.push(step(totals.rejected, last.rejected, 0));
        before = (stored.received_at.0, totals);
    }
    let margin = postcard::to_allocvec(&margin).ok()?;
    let margin = with_length(&margin).ok()?;
    // As it would go to the hub, but of nobody.
    let batch = Batch {
        agent: AgentId::new("buffer").ok()?,
        epoch: Epoch(0),
        gaps: Vec::new(),
        received_at: TimestampMicros(0),
        commits: commits.iter().map(|stored| stored.commit.clone()).collect(),
    };
    let frame = frame::seal(&batch).ok()?;
    let mut body = vec![COLUMNS];
    body.extend_from_slice(&u32::try_from(margin.len()).ok()?.to_le_bytes());
    body.extend_from_slice(&margin);
    body.extend_from_slice(&frame);
    Some(body)
}

fn unpack_columns(body: &[u8]) -> Result<Vec<StoredCommit>, EntryError> {
    let (length, rest) = body.split_first_chunk::<LENGTH_BYTES>().ok_or(EntryError::Truncated(body.len()))?;
    let (margin, frame) = rest
        .split_at_checked(u32::from_le_bytes(*length) as usize)
        .ok_or(EntryError::Truncated(body.len()))?;
    let margin: Margin =
        postcard::from_bytes(&plain_of(margin)?).map_err(|error| misfit(&error.to_string()))?;
    let commits = frame::open(frame).map_err(|error| misfit(&error.to_string()))?.commits;
    let lengths =
        [&margin.received_at, &margin.readings, &margin.dead_lettered, &margin.rejected].map(Vec::len);
    if lengths != [commits.len(); 4] {
        return Err(misfit("lengths"));
    }
    let mut before = (0_i64, Totals::default());
    let rows = commits.into_iter().enumerate().map(|(row, commit)| {
        let own = commit.readings.len() as u64;
        let step = |before: u64, column: &[i64]| before.wrapping_add_signed(column[row]);
        before.0 = before.0.wrapping_add(margin.received_at[row]);
        before.1 = Totals {
            readings: step(before.1.readings, &margin.readings).wrapping_add(own),
            dead_lettered: step(before.1.dead_lettered, &margin.dead_lettered),
            rejected: step(before.1.rejected, &margin.rejected),
        };
        StoredCommit { commit, received_at: TimestampMicros(before.0), totals: before.1 }
    });
    Ok(rows.collect())
}

fn pack_entries(commits: &[StoredCommit]) -> std::io::Result<Vec<u8>> {
    let mut encoder = Encoder::new()?;
    let mut plain = Vec::new();
    for stored in commits {
        let entry = encoder.encode(
            stored.commit.number,
            stored.received_at,
            stored.totals,
            &stored.commit.readings,
        )?;
        let length = u32::try_from(entry.len()).map_err(std::io::Error::other)?;
        plain.extend_from_slice(&length.to_le_bytes());
        plain.extend_from_slice(&entry);
    }
    let mut body = vec![ENTRIES];
    body.extend_from_slice(&with_length(&plain)?);
    Ok(body)
}

fn unpack_entries(body: &[u8]) -> Result<Vec<StoredCommit>, EntryError> {
    let plain = plain_of(body)?;
    let mut rest = plain.as_slice();
    let mut commits = Vec::new();
    while let Some((length, further)) = rest.split_first_chunk::<LENGTH_BYTES>() {
        let (entry, further) = further
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .ok_or(EntryError::Truncated(rest.len()))?;
        commits.push(entry::decode(entry)?);
        rest = further;
    }
    Ok(commits)
}

/// Compresses bytes; their length stands before them.
fn with_length(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = u32::try_from(plain.len()).map_err(std::io::Error::other)?.to_le_bytes().to_vec();
    bytes.extend_from_slice(&zstd::bulk::compress(plain, COMPRESSION_LEVEL)?);
    Ok(bytes)
}

fn plain_of(bytes: &[u8]) -> Result<Vec<u8>, EntryError> {
    let (length, packed) =
        bytes.split_first_chunk::<LENGTH_BYTES>().ok_or(EntryError::Truncated(bytes.len()))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_PLAIN_BYTES {
        return Err(misfit(&format!("claims {length} bytes")));
    }
    zstd::bulk::decompress(packed, length).map_err(|error| misfit(&error.to_string()))
}

fn misfit(what: &str) -> EntryError {
    EntryError::Payload(format!("block does not fit: {what}"))
}

/// Tells whether a body unpacks to the very commits, to the bit.
fn comes_back(body: &[u8], span: (CommitNumber, CommitNumber), commits: &[StoredCommit]) -> bool {
    let head = Head { first: span.0, last: span.1, body_bytes: 0, checksum: 0 };
    unpack(&head, body).is_ok_and(|back| {
        back.len() == commits.len() && back.iter().zip(commits).all(|(back, stored)| is_same(back, stored))
    })
}

fn is_same(back: &StoredCommit, stored: &StoredCommit) -> bool {
    let Commit { number, readings } = &stored.commit;
    back.commit.number == *number
        && back.received_at == stored.received_at
        && back.totals == stored.totals
        && back.commit.readings.len() == readings.len()
        && back.commit.readings.iter().zip(readings).all(|(back, reading)| is_same_reading(back, reading))
}

fn is_same_reading(back: &Reading, reading: &Reading) -> bool {
    let same_value = match (&back.value, &reading.value) {
        // Zero has two signs that compare equal.
        (Value::Number(back), Value::Number(number)) => back.to_bits() == number.to_bits(),
        (back, value) => back == value,
    };
    same_value && back.time == reading.time && back.series == reading.series
}
