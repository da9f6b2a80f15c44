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

use log::{BLOCK_BYTES, Kind, Messages};
use pieces::{Found, Pieces, Spot};

/// What was seen on the way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sighting {
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

    /// Returns the entries' bytes in the order of their numbers.
    pub(super) fn entries(&self) -> impl Iterator<Item = io::Result<(CommitNumber, Vec<u8>)>> {
        self.found
            .iter()
            .map(|found| Ok((CommitNumber(found.number), self.file.gather(found.spots.as_slice())?)))
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
    let mut block = vec![0; BLOCK_BYTES];
    let mut at = 0;
    loop {
        let length = source.read_at(&mut block, at)?;
        let mut messages = Messages::of(&block[..length]);
        for message in messages.by_ref() {
            sighting.blobs += u64::from(message.kind == Kind::Blob);
            take(&message, at);
        }
        sighting.breaks += messages.breaks;
        if length < BLOCK_BYTES {
            return Ok(sighting);
        }
        at += BLOCK_BYTES as u64;
    }
}
