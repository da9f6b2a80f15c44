//! The reader of sled's log against real segments: whole, damaged in every way, and no segments at all.

mod damage;
mod garbage;
mod growth;
mod whole;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use penstock_shared::id::CommitNumber;
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::Salvage;
use crate::buffer::entry::{Encoder, Totals};
use crate::buffer::extent::Extent;
use crate::buffer::segment::Segment;

const ALL: std::ops::RangeInclusive<CommitNumber> = CommitNumber(0)..=CommitNumber(u64::MAX);

/// A segment, and every entry that was put into it.
struct Written {
    dir: TempDir,
    entries: BTreeMap<u64, Vec<u8>>,
}

/// How long the text of each commit's reading is.
#[derive(Debug, Clone, Copy)]
enum Sizes {
    Small,
    Mixed,
    /// Nine pieces each.
    Large,
}

impl Sizes {
    const ALL: [Self; 3] = [Self::Small, Self::Mixed, Self::Large];

    fn draw(self, random: &mut StdRng) -> usize {
        match self {
            Self::Small => random.random_range(0..60),
            Self::Large => 48 * 1024,
            Self::Mixed => match random.random_range(0..10) {
                0..6 => random.random_range(0..300),
                6..9 => random.random_range(300..9000),
                _ => random.random_range(9000..48 * 1024),
            },
        }
    }

    const fn commits(self) -> u64 {
        match self {
            Self::Small => 4000,
            Self::Mixed => 300,
            Self::Large => 40,
        }
    }
}

fn entry(number: u64, readings: u64, text_bytes: usize, random: &mut StdRng) -> Vec<u8> {
    let noise: String = (0..text_bytes).map(|_| char::from(random.random_range(33_u8..126))).collect();
    let series = Arc::new(Series::new("note", "gw/a").unwrap());
    let readings_of = [Reading { series, time: TimestampMicros(1), value: Value::Text(noise) }];
    let totals = Totals { readings, ..Totals::default() };
    Encoder::new().unwrap().encode(CommitNumber(number), TimestampMicros(1), totals, &readings_of).unwrap()
}

impl Written {
    /// Writes commits from `first` on, and opens the segment anew now and then, as restarts do.
    fn new(sizes: Sizes, first: u64, seed: u64) -> Self {
        Self::with(sizes, first, seed, Extent::LARGEST)
    }

    /// The same in a log of other extents.
    fn with(sizes: Sizes, first: u64, seed: u64, extent: Extent) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut entries = BTreeMap::new();
        let open = || Segment::open_with(&dir.path().join("s"), CommitNumber(first), extent).unwrap();
        let mut segment = open();
        let count = sizes.commits();
        for number in first..first + count {
            let bytes = entry(number, number, sizes.draw(&mut random), &mut random);
            segment.put(CommitNumber(number), &bytes).unwrap();
            if random.random_range(0..20) == 0 {
                segment.make_durable().unwrap();
            }
            if random.random_range(0..count) < 2 {
                segment.make_durable().unwrap();
                drop(segment);
                segment = open();
            }
            entries.insert(number, bytes);
        }
        segment.make_durable().unwrap();
        drop(segment);
        Self { dir, entries }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path().join("db")).unwrap()
    }

    fn replace(&self, bytes: &[u8]) {
        std::fs::write(self.path().join("db"), bytes).unwrap();
    }

    /// Returns how many entries are not found, having seen that nothing else is.
    fn missing(&self) -> usize {
        let found = salvaged(&self.path());
        for (number, bytes) in &found {
            assert!(self.entries.get(number) == Some(bytes), "commit {number} is not what was written");
        }
        self.entries.len() - found.len()
    }
}

fn salvaged(dir: &std::path::Path) -> BTreeMap<u64, Vec<u8>> {
    let salvage = Salvage::of(dir, ALL).unwrap().unwrap();
    let found: Vec<_> = salvage.entries(CommitNumber::NONE).map(Result::unwrap).collect();
    assert!(found.is_sorted_by_key(|(number, _)| *number));
    let count = found.len();
    let found: BTreeMap<u64, Vec<u8>> = found.into_iter().map(|(number, bytes)| (number.0, bytes)).collect();
    assert_eq!(found.len(), count, "a number comes twice");
    found
}
