//! Collects the pieces of entries wherever they turn up, and puts entries together from them.
//!
//! A piece stands in the log at least once, and again with every page that was written with it; none of these is
//! preferred. What tells that an entry is whole and which commit it is, is the entry itself, by its checksum and number: keys
//! only tell which pieces may belong together. Of what is found only the place is kept.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;

use xxhash_rust::xxh3::xxh3_64;

use super::Source;
use super::log::{Kind, Message};
use super::page;
use crate::buffer::entry::{self, StoredCommit};
use crate::buffer::segment::{COUNT_BYTES, KEY_BYTES};

/// An entry is never longer, as [`entry::decode`] accepts none that is.
const MOST_ENTRY_BYTES: u64 = 24 << 20;
/// So many ways to put an entry together are tried, where pieces of one key differ.
const MOST_TRIES: usize = 64;
/// A page's keys begin differently after each time that it was split: some ten times, as keys have ten bytes.
const MOST_PREFIXES: usize = 32;

/// Where bytes lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// A whole entry.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) number: u64,
    /// The last time that it was written.
    pub(super) sequence: u64,
    /// C up to and with it.
    pub(super) readings_through: u64,
    /// Its own readings.
    pub(super) readings: u64,
    /// In order, without the counts of pieces.
    pub(super) spots: Spots,
}

/// Nearly all entries are one piece.
#[derive(Debug, Clone)]
pub(super) enum Spots {
    One(Spot),
    Many(Box<[Spot]>),
}

impl Spots {
    pub(super) fn as_slice(&self) -> &[Spot] {
        match self {
            Self::One(spot) => std::slice::from_ref(spot),
            Self::Many(spots) => spots,
        }
    }
}

/// One of several pieces of an entry.
#[derive(Debug)]
struct Piece {
    page: u64,
    /// The end of its key, as far as it was told.
    key: Key,
    count: u16,
    /// The first and the last time that it was written.
    written: (u64, u64),
    spot: Spot,
}

/// A key or the end of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    bytes: [u8; KEY_BYTES],
    /// How many bytes at the end are known.
    known: u8,
}

#[derive(Default)]
pub(super) struct Pieces {
    found: Vec<Found>,
    /// Places in `found` by the entries' checksums.
    by_checksum: HashMap<u64, usize>,
    pieces: Vec<Piece>,
    /// Places in `pieces` by page, key and content.
    seen: HashMap<(u64, Key, u64), usize>,
    /// What the keys of a page begin with.
    prefixes: BTreeMap<u64, BTreeSet<Vec<u8>>>,
}

impl Pieces {
    /// Takes what a message of the block that begins at `block_at` holds.
    pub(super) fn take(&mut self, message: &Message<'_>, block_at: u64) {
        let body_at = block_at + message.body_at as u64;
        let mut take = |prefix: &[u8], rest: &[u8], value: std::ops::Range<usize>| {
            let spot = Spot {
                offset: body_at + value.start as u64,
                length: u32::try_from(value.len()).unwrap_or(u32::MAX),
            };
            if let Some(key) = Key::of(prefix, rest) {
                self.take_value(message, key, &message.body[value], spot);
            }
        };
        match message.kind {
            Kind::Link => {
                if let Some((rest, value)) = page::set(message.body) {
                    take(&[], rest, value);
                }
            }
            Kind::Node => {
                if let Some(leaf) = page::leaf(message.body) {
                    for (rest, value) in leaf.entries {
                        take(leaf.prefix, rest, value);
                    }
                    self.note_prefix(message.page, leaf.prefix);
                }
            }
            Kind::Blob | Kind::Other => {}
        }
    }

    fn note_prefix(&mut self, page: u64, prefix: &[u8]) {
        let known = self.prefixes.entry(page).or_default();
        if known.len() < MOST_PREFIXES && prefix.len() < KEY_BYTES {
            known.insert(prefix.to_vec());
        }
    }

    fn take_value(&mut self, message: &Message<'_>, key: Key, value: &[u8], spot: Spot) {
        let Some((count, content)) = value.split_at_checked(COUNT_BYTES) else { return };
        let count = u16::from_le_bytes([count[0], count[1]]);
        let content_spot = Spot {
            offset: spot.offset + COUNT_BYTES as u64,
            length: spot.length.saturating_sub(COUNT_BYTES as u32),
        };
        if count == 1 {
            self.take_entry(content, message.sequence, || Spots::One(content_spot));
            return;
        }
        match self.seen.entry((message.page, key, xxh3_64(value))) {
            Entry::Occupied(place) => {
                let (first, last) = &mut self.pieces[*place.get()].written;
                *first = (*first).min(message.sequence);
                *last = (*last).max(message.sequence);
            }
            Entry::Vacant(place) => {
                place.insert(self.pieces.len());
                let written = (message.sequence, message.sequence);
                self.pieces.push(Piece { page: message.page, key, count, written, spot: content_spot });
            }
        }
    }

    /// Takes bytes that may be an entry, and returns whether they are.
    fn take_entry(&mut self, bytes: &[u8], sequence: u64, spots: impl FnOnce() -> Spots) -> bool {
        let Some((_, checksum)) = bytes.split_last_chunk::<8>() else { return false };
        let checksum = u64::from_le_bytes(*checksum);
        if let Some(place) = self.by_checksum.get(&checksum) {
            let known = &mut self.found[*place];
            if known.spots.as_slice().iter().map(|spot| u64::from(spot.length)).sum::<u64>()
                == bytes.len() as u64
            {
                known.sequence = known.sequence.max(sequence);
                return true;
            }
        }
        let Ok(StoredCommit { commit, totals, .. }) = entry::decode(bytes) else { return false };
        self.by_checksum.insert(checksum, self.found.len());
        self.found.push(Found {
            number: commit.number.0,
            sequence,
            readings_through: totals.readings,
            readings: commit.readings.len() as u64,
            spots: spots(),
        });
        true
    }

    /// Puts together what came in pieces, and returns all entries in no order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn finish(mut self, source: &impl Source) -> io::Result<Vec<Found>> {
        let pieces = std::mem::take(&mut self.pieces);
        let whole = self.join_by_key(&pieces, source)?;
        self.join_by_order(&pieces, &whole, source)?;
        Ok(self.found)
    }

    /// Joins the pieces of one number, and returns which pieces became entries.
    fn join_by_key(&mut self, pieces: &[Piece], source: &impl Source) -> io::Result<HashSet<usize>> {
        let mut groups: BTreeMap<(u64, u16), BTreeMap<u16, Vec<usize>>> = BTreeMap::new();
        for (index, piece) in pieces.iter().enumerate() {
            let missing = KEY_BYTES - usize::from(piece.key.known);
            let whole = [Vec::new()];
            let prefixes = self.prefixes.get(&piece.page);
            let prefixes: &mut dyn Iterator<Item = &Vec<u8>> = match missing {
                0 => &mut whole.iter(),
                _ => &mut prefixes.into_iter().flatten().filter(|prefix| prefix.len() == missing),
            };
            for prefix in prefixes {
                let (number, place) = piece.key.with(prefix).parts();
                let group = groups.entry((number, piece.count)).or_default();
                group.entry(place).or_default().push(index);
            }
        }
        let mut whole = HashSet::new();
        for ((_, count), mut places) in groups {
            if (0..count).any(|place| !places.contains_key(&place)) {
                continue;
            }
            for candidates in places.values_mut() {
                candidates.sort_by_key(|index| std::cmp::Reverse(pieces[*index].written.1));
            }
            let candidates: Vec<&[usize]> = (0..count).map(|place| places[&place].as_slice()).collect();
            for chosen in choices(&candidates).take(MOST_TRIES) {
                if self.join(pieces, &chosen, source)? {
                    whole.extend(chosen);
                }
            }
        }
        Ok(whole)
    }

    /// Joins what was written one after the other: where no page is left that tells what its changes' keys began with.
    fn join_by_order(
        &mut self,
        pieces: &[Piece],
        whole: &HashSet<usize>,
        source: &impl Source,
    ) -> io::Result<()> {
        let mut left: Vec<usize> = (0..pieces.len()).filter(|index| !whole.contains(index)).collect();
        left.sort_by_key(|index| pieces[*index].written.0);
        let mut run: Vec<usize> = Vec::new();
        for index in left {
            let piece = &pieces[index];
            let follows = run.first().is_some_and(|first| pieces[*first].count == piece.count)
                && piece.key.is_place(run.len());
            if !follows && !piece.key.is_place(0) {
                continue;
            }
            if !follows {
                run.clear();
            }
            run.push(index);
            if run.len() == usize::from(piece.count) {
                self.join(pieces, &run, source)?;
                run.clear();
            }
        }
        Ok(())
    }

    fn join(&mut self, pieces: &[Piece], chosen: &[usize], source: &impl Source) -> io::Result<bool> {
        let spots: Vec<Spot> = chosen.iter().map(|index| pieces[*index].spot).collect();
        if spots.iter().map(|spot| u64::from(spot.length)).sum::<u64>() > MOST_ENTRY_BYTES {
            return Ok(false);
        }
        let sequence = chosen.iter().map(|index| pieces[*index].written.1).max().unwrap_or(0);
        let bytes = source.gather(&spots)?;
        Ok(self.take_entry(&bytes, sequence, || Spots::Many(spots.into())))
    }
}

impl Key {
    fn of(prefix: &[u8], rest: &[u8]) -> Option<Self> {
        let known = prefix.len() + rest.len();
        if rest.is_empty() || known > KEY_BYTES {
            return None;
        }
        let mut bytes = [0; KEY_BYTES];
        bytes[KEY_BYTES - known..KEY_BYTES - rest.len()].copy_from_slice(prefix);
        bytes[KEY_BYTES - rest.len()..].copy_from_slice(rest);
        Some(Self { bytes, known: u8::try_from(known).ok()? })
    }

    fn with(mut self, prefix: &[u8]) -> Self {
        self.bytes[..prefix.len()].copy_from_slice(prefix);
        self
    }

    fn parts(self) -> (u64, u16) {
        let [n0, n1, n2, n3, n4, n5, n6, n7, p0, p1] = self.bytes;
        (u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]), u16::from_be_bytes([p0, p1]))
    }

    /// Tells whether this can be the key of an entry's piece at `place`.
    fn is_place(self, place: usize) -> bool {
        let [high, low] = u16::try_from(place).unwrap_or(u16::MAX).to_be_bytes();
        self.bytes[KEY_BYTES - 1] == low && (self.known < 2 || self.bytes[KEY_BYTES - 2] == high)
    }
}

/// Every way to choose one candidate for each place, the first ones first.
fn choices<'a>(candidates: &'a [&'a [usize]]) -> impl Iterator<Item = Vec<usize>> + 'a {
    let mut wheels = Some(vec![0; candidates.len()]);
    std::iter::from_fn(move || {
        let now = wheels.take()?;
        let chosen = candidates.iter().zip(&now).map(|(of, place)| of[*place]).collect();
        let mut next: Vec<usize> = now;
        for (wheel, of) in next.iter_mut().zip(candidates) {
            *wheel += 1;
            if *wheel < of.len() {
                wheels = Some(next);
                break;
            }
            *wheel = 0;
        }
        Some(chosen)
    })
}
