//! Reads what is intact in a sled database that sled does not open, or would mend by throwing away what lies behind the
//! first damage.
//!
//! ```text
//! file ─log─▶ messages that check ─page─▶ keys and values ─pieces─▶ entries that check ─chain─▶ one for each commit
//! ```
//!
//! Every block of the file is read once, from the beginning. Memory holds a block and where the entries lie, never
//! what is in them. Nothing is written from here.

mod chain;
mod cursor;
mod log;
mod page;
mod pieces;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::Path;

use penstock_shared::id::CommitNumber;

use log::{BLOCK_HEADER_BYTES, BLOCK_SIZES, Kind, LARGEST_BLOCK, Messages};
use pieces::{Found, Pieces, Spot};

/// What was seen on the way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sighting {
    /// Whether anything is there.
    pub(super) is_written: bool,
    /// How often something damaged stood before something whole of the same writing.
    pub(super) breaks: u64,
    /// Messages that point to a file of their own, which no piece of an entry ever needed.
    pub(super) blobs: u64,
}

/// What can be taken out of a segment's file.
pub(super) struct Salvage {
    file: File,
    found: Vec<Found>,
}

/// Where bytes are read from.
trait Source {
    /// Reads bytes from `offset` on, as many as fit and are there, and returns how many.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads what lies at several places.
    fn gather(&self, spots: &[Spot]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for spot in spots {
            let from = bytes.len();
            bytes.resize(from + spot.length as usize, 0);
            if self.read_at(&mut bytes[from..], spot.offset)? < spot.length as usize {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(bytes)
    }
}

impl Source for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut length = 0;
        while length < bytes.len() {
            match FileExt::read_at(self, &mut bytes[length..], offset + length as u64) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(length)
    }
}

impl Salvage {
    /// Reads the segment in `dir`, and finds its commits with numbers within `numbers`.
    ///
    /// # Errors
    /// When the disk refuses. A file that is not there holds nothing.
    pub(super) fn of(dir: &Path, numbers: RangeInclusive<CommitNumber>) -> io::Result<Option<Self>> {
        let file = match File::open(dir.join("db")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let found = scan(&file, &(numbers.start().0..=numbers.end().0))?;
        Ok(Some(Self { file, found }))
    }

    /// Returns the numbers of the commits, in order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = CommitNumber> {
        self.found.iter().map(|found| CommitNumber(found.number))
    }

    /// Returns the entries' bytes from `from` on, in the order of their numbers.
    pub(super) fn entries(
        &self,
        from: CommitNumber,
    ) -> impl Iterator<Item = io::Result<(CommitNumber, Vec<u8>)>> {
        let place = self.found.partition_point(|found| found.number < from.0);
        let gather =
            |found: &Found| Ok((CommitNumber(found.number), self.file.gather(found.spots.as_slice())?));
        self.found[place..].iter().map(gather)
    }

    /// Returns the runs of numbers between the commits found, of which none is.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (CommitNumber, CommitNumber)> {
        let pairs = self.numbers().zip(self.numbers().skip(1));
        pairs.filter(|(a, b)| a.next() < *b).map(|(a, b)| (a.next(), b.previous()))
    }
}

/// Looks whether the file in `dir` is damaged before its end, without what is in it.
///
/// # Errors
/// When the disk refuses. A file that is not there is whole.
pub(super) fn look(dir: &Path) -> io::Result<Sighting> {
    match File::open(dir.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sighting::default()),
        file => walk(&file?, |_, _| ()),
    }
}

fn scan(source: &impl Source, numbers: &RangeInclusive<u64>) -> io::Result<Vec<Found>> {
    let mut pieces = Pieces::default();
    walk(source, |message, block_at| pieces.take(message, block_at))?;
    Ok(chain::choose(pieces.finish(source)?, numbers))
}

fn walk(source: &impl Source, mut take: impl FnMut(&log::Message<'_>, u64)) -> io::Result<Sighting> {
    let mut sighting = Sighting::default();
    let block_bytes = block_size(source)?;
    let mut block = vec![0; block_bytes];
    let mut at = 0;
    loop {
        let length = source.read_at(&mut block, at)?;
        let mut messages = Messages::of(&block[..length], block_bytes);
        for message in messages.by_ref() {
            sighting.is_written = true;
            sighting.blobs += u64::from(message.kind == Kind::Blob);
            take(&message, at);
        }
        sighting.breaks += messages.breaks;
        if length < block_bytes {
            return Ok(sighting);
        }
        at += block_bytes as u64;
    }
}

/// Returns the size of a file's blocks: the largest by which the most headers are found. What the file `conf` says of
/// that may be damaged too.
fn block_size(source: &impl Source) -> io::Result<usize> {
    let sizes = || std::iter::successors(Some(*BLOCK_SIZES.start()), |size| Some(size * 2));
    let mut counts: Vec<(usize, u64)> =
        sizes().take_while(|size| BLOCK_SIZES.contains(size)).map(|size| (size, 0)).collect();
    let mut header = [0; BLOCK_HEADER_BYTES];
    let mut at = 0;
    while source.read_at(&mut header, at)? == BLOCK_HEADER_BYTES {
        if let Some(start) = log::start_of(&header) {
            // A block begins at a multiple of its size in the order of writing too.
            let fits = |size: usize| at.is_multiple_of(size as u64) && start.is_multiple_of(size as u64);
            counts.iter_mut().filter(|(size, _)| fits(*size)).for_each(|(_, count)| *count += 1);
        }
        at += *BLOCK_SIZES.start() as u64;
    }
    let most = counts.iter().max_by_key(|(size, count)| (*count, *size));
    Ok(most.filter(|(_, count)| *count > 0).map_or(LARGEST_BLOCK, |(size, _)| *size))
}
