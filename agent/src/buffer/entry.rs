//! A commit as bytes on the gateway's disk: versioned, compressed, checksummed.
//!
//! ```text
//! offset   bytes  what
//! 0        1      version, 1
//! 1        1      1 where the payload is zstd, 0 where it is plain
//! 2        4      length of the plain payload, little endian
//! 6        …      payload: postcard of `Stored`
//! end − 8  8      XXH3-64 of everything before, little endian
//! ```
//!
//! postcard is positional: the order of the fields *is* the format, so a changed struct is a new version. An entry
//! outlives the program that wrote it: an update must read what lies in the buffer.
//! Versions: 1 (2026-11): the first.

use std::collections::HashMap;
use std::sync::Arc;

use penstock_shared::batch::Commit;
use penstock_shared::id::CommitNumber;
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The version that this build writes.
pub(super) const ENTRY_VERSION: u8 = 1;
const HEADER_BYTES: usize = 6;
const CHECKSUM_BYTES: usize = 8;
/// Below this, zstd costs more than it saves.
const COMPRESS_FROM_BYTES: usize = 256;
/// Level 1: the disk gains most from the repeated names, which every level finds.
const COMPRESSION_LEVEL: i32 = 1;
/// A plain payload that claims more is damaged; a commit is kept far below.
const MAX_PLAIN_BYTES: usize = 16 << 20;

/// How many records were ever taken in, up to and with a commit. Every commit carries them, so that the last one
/// on disk tells all, whatever a crash took from memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Readings committed.
    pub readings: u64,
    /// Messages that could not become readings.
    pub dead_lettered: u64,
    /// Records refused by a limit after they were taken in.
    pub rejected: u64,
}

/// A commit as it was stored, with what the buffer knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCommit {
    /// The commit itself.
    pub commit: Commit,
    /// When its oldest reading arrived.
    pub received_at: TimestampMicros,
    /// The totals up to and with it.
    pub totals: Totals,
}

impl StoredCommit {
    /// Returns its bytes, roughly: `each` for a reading, and the texts.
    pub(super) fn rough_bytes(&self, each: usize) -> usize {
        let texts = self.commit.readings.iter().map(|reading| match &reading.value {
            Value::Text(text) => text.len(),
            _ => 0,
        });
        each * self.commit.readings.len() + texts.sum::<usize>()
    }
}

/// Why bytes are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The bytes end before the entry does.
    #[error("entry is cut short: {0} bytes")]
    Truncated(usize),
    /// Nothing is there, or not all of it.
    #[error("entry is missing")]
    Missing,
    /// A bit was flipped on the disk.
    #[error("entry checksum does not match")]
    Checksum,
    /// A newer program wrote it.
    #[error("unknown entry version {0}")]
    UnknownVersion(u8),
    /// The payload does not decode although the checksum matches.
    #[error("entry does not decode: {0}")]
    Payload(String),
}

#[derive(Serialize)]
struct Stored<'a> {
    number: u64,
    received_at: i64,
    totals: Totals,
    series: Vec<&'a Series>,
    readings: Vec<StoredReading<'a>>,
}

#[derive(Serialize)]
struct StoredReading<'a> {
    series: u32,
    /// Since the reading before it; since `received_at` for the first.
    delta: i64,
    value: StoredValue<'a>,
}

#[derive(Serialize)]
enum StoredValue<'a> {
    Number(f64),
    Boolean(bool),
    Text(&'a str),
}

#[derive(Deserialize)]
struct LoadedEntry {
    number: u64,
    received_at: i64,
    totals: Totals,
    series: Vec<Arc<Series>>,
    readings: Vec<LoadedReading>,
}

#[derive(Deserialize)]
struct LoadedReading {
    series: u32,
    delta: i64,
    value: LoadedValue,
}

#[derive(Deserialize)]
enum LoadedValue {
    Number(f64),
    Boolean(bool),
    Text(String),
}

/// Writes entries; keeps its compressor between them.
pub(super) struct Encoder {
    compressor: zstd::bulk::Compressor<'static>,
}

impl Encoder {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { compressor: zstd::bulk::Compressor::new(COMPRESSION_LEVEL)? })
    }

    /// Encodes one commit.
    pub(super) fn encode(
        &mut self,
        number: CommitNumber,
        received_at: TimestampMicros,
        totals: Totals,
        readings: &[Reading],
    ) -> std::io::Result<Vec<u8>> {
        let mut places: HashMap<&Series, u32> = HashMap::new();
        let mut series: Vec<&Series> = Vec::new();
        let mut previous = received_at.0;
        let stored = readings.iter().map(|reading| {
            let place = *places.entry(&reading.series).or_insert_with(|| {
                series.push(&reading.series);
                u32::try_from(series.len() - 1).unwrap_or(u32::MAX)
            });
            let delta = reading.time.0.wrapping_sub(previous);
            previous = reading.time.0;
            StoredReading { series: place, delta, value: StoredValue::of(&reading.value) }
        });
        let readings = stored.collect();
        let stored = Stored { number: number.0, received_at: received_at.0, totals, series, readings };
        let plain = postcard::to_allocvec(&stored).map_err(std::io::Error::other)?;
        self.wrap(&plain)
    }

    fn wrap(&mut self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        let plain_length = u32::try_from(plain.len()).map_err(std::io::Error::other)?;
        let packed =
            if plain.len() >= COMPRESS_FROM_BYTES { Some(self.compressor.compress(plain)?) } else { None };
        let payload = packed.as_deref().unwrap_or(plain);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len() + CHECKSUM_BYTES);
        bytes.push(ENTRY_VERSION);
        bytes.push(u8::from(packed.is_some()));
        bytes.extend_from_slice(&plain_length.to_le_bytes());
        bytes.extend_from_slice(payload);
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }
}

impl<'a> StoredValue<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            Value::Boolean(state) => Self::Boolean(*state),
            Value::Text(text) => Self::Text(text),
        }
    }
}

/// Reads an entry back.
pub(super) fn decode(bytes: &[u8]) -> Result<StoredCommit, EntryError> {
    let Some(payload_length) = bytes.len().checked_sub(HEADER_BYTES + CHECKSUM_BYTES) else {
        return Err(EntryError::Truncated(bytes.len()));
    };
    let (content, checksum) = bytes.split_at(HEADER_BYTES + payload_length);
    if xxh3_64(content).to_le_bytes() != checksum {
        return Err(EntryError::Checksum);
    }
    if content[0] != ENTRY_VERSION {
        return Err(EntryError::UnknownVersion(content[0]));
    }
    let plain_length = u32::from_le_bytes([content[2], content[3], content[4], content[5]]) as usize;
    if plain_length > MAX_PLAIN_BYTES {
        return Err(EntryError::Payload(format!("claims {plain_length} bytes")));
    }
    let payload = &content[HEADER_BYTES..];
    let failed = |error: &dyn std::fmt::Display| EntryError::Payload(error.to_string());
    let loaded: LoadedEntry = if content[1] == 0 {
        postcard::from_bytes(payload).map_err(|error| failed(&error))?
    } else {
        let plain = zstd::bulk::decompress(payload, plain_length).map_err(|error| failed(&error))?;
        postcard::from_bytes(&plain).map_err(|error| failed(&error))?
    };
    loaded.into_commit()
}

impl LoadedEntry {
    fn into_commit(self) -> Result<StoredCommit, EntryError> {
        let mut time = self.received_at;
        let mut readings = Vec::with_capacity(self.readings.len());
        for loaded in self.readings {
            let Some(series) = self.series.get(loaded.series as usize) else {
                return Err(EntryError::Payload(format!("no series {}", loaded.series)));
            };
            time = time.wrapping_add(loaded.delta);
            let value = match loaded.value {
                LoadedValue::Number(number) => Value::Number(number),
                LoadedValue::Boolean(state) => Value::Boolean(state),
                LoadedValue::Text(text) => Value::Text(text),
            };
            readings.push(Reading { series: Arc::clone(series), time: TimestampMicros(time), value });
        }
        Ok(StoredCommit {
            commit: Commit { number: CommitNumber(self.number), readings },
            received_at: TimestampMicros(self.received_at),
            totals: self.totals,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(source: &str, time: i64, value: Value) -> Reading {
        let series = Arc::new(Series::new("temperature", source).unwrap());
        Reading { series, time: TimestampMicros(time), value }
    }

    fn sample() -> Vec<Reading> {
        vec![
            reading("gw/a", 5_000, Value::Number(-0.0)),
            reading("gw/b", 4_000, Value::Boolean(true)),
            reading("gw/a", i64::MAX, Value::Text("grün".into())),
        ]
    }

    fn encoded() -> Vec<u8> {
        let totals = Totals { readings: 300, dead_lettered: 2, rejected: 1 };
        Encoder::new().unwrap().encode(CommitNumber(7), TimestampMicros(4_500), totals, &sample()).unwrap()
    }

    #[test]
    fn an_entry_reads_back_what_was_written() {
        let stored = decode(&encoded()).unwrap();
        assert_eq!(stored.commit, Commit { number: CommitNumber(7), readings: sample() });
        assert_eq!(stored.received_at, TimestampMicros(4_500));
        assert_eq!(stored.totals, Totals { readings: 300, dead_lettered: 2, rejected: 1 });
        let Value::Number(zero) = stored.commit.readings[0].value else { panic!("not a number") };
        assert!(zero.is_sign_negative());
    }

    /// The bytes of version 1: a change here makes every buffer in the field unreadable, so it needs a new version.
    #[test]
    fn version_1_is_what_it_was() {
        let golden = concat!(
            "01",
            "00",
            "50000000", // version, plain, length
            "07",
            "a846",
            "ac02",
            "02",
            "01", // number 7, received_at 4500, totals 300 2 1
            "02", // two series: type, source, labels
            "0b",
            "74656d7065726174757265",
            "04",
            "67772f61",
            "00",
            "0b",
            "74656d7065726174757265",
            "04",
            "67772f62",
            "00",
            "03", // three readings: series, delta, value
            "00",
            "e807",
            "00",
            "0000000000000080", // -0.0
            "01",
            "cf0f",
            "01",
            "01", // true
            "00",
            "bec1ffffffffffffff01",
            "02",
            "05",
            "6772c3bc6e", // grün
        );
        let hex: String = encoded().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(&hex[..hex.len() - 16], golden);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let whole = encoded();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            assert!(decode(&damaged).is_err(), "flip at {place} went unnoticed");
        }
        assert!(decode(&whole[..whole.len() - 1]).is_err());
        assert_eq!(decode(&[]), Err(EntryError::Truncated(0)));
    }

    #[test]
    fn a_large_entry_is_compressed() {
        let readings: Vec<_> = (0..1000).map(|n| reading("gw/a", n * 1000, Value::Number(20.5))).collect();
        let mut encoder = Encoder::new().unwrap();
        let bytes =
            encoder.encode(CommitNumber(1), TimestampMicros(0), Totals::default(), &readings).unwrap();
        assert!(bytes.len() < 2000, "{} bytes", bytes.len());
        assert_eq!(decode(&bytes).unwrap().commit.readings, readings);
    }
}
