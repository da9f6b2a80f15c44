//! The buffer's small state, in a file that no power cut can spoil.
//!
//! Two slots of fixed place and size; a write goes to the slot that does not hold the newest state, then is fsynced.
//! A torn write spoils only the slot that was obsolete anyway. In-place writes need no room, so that the state can
//! be written on a full disk, where a rename of a fresh file could not.
//!
//! Behind them lies a note of the last commit, written with every commit and never fsynced. It survives a crash of the
//! program, and tells when sled recovers less than it had: a number must not be used twice.
//!
//! A slot: length as 4 little-endian bytes, sequence as 8, postcard of the state, XXH3-64 of all that as 8.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use super::disk;

/// Room for some thousand gaps; a multiple of every block size, so that slots share no block.
const SLOT_BYTES: usize = 64 * 1024;
const LENGTH_BYTES: usize = 4;
const SEQUENCE_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 8;
const PREFIX_BYTES: usize = LENGTH_BYTES + SEQUENCE_BYTES;

/// More fields than were ever appended to a state.
const APPENDED: usize = 16;

const NOTE_OFFSET: u64 = 2 * SLOT_BYTES as u64;
const NOTE_BYTES: usize = 64;
const FILE_BYTES: usize = 2 * SLOT_BYTES + NOTE_BYTES;

/// A state of type `T` in two slots.
#[derive(Debug)]
pub(crate) struct StateFile<T> {
    file: File,
    sequence: u64,
    state: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> StateFile<T> {
    /// Opens the file and returns its newest state, or none when it is new or neither slot is whole.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Option<T>)> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() < FILE_BYTES as u64 {
            // Real zeros and not a hole: the room must be there when the disk is full.
            let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
            file.write_all_at(&vec![0; FILE_BYTES - length], length as u64)?;
            disk::sync_all(&file)?;
        }
        // Always: who made it may have been killed before its entry was durable.
        disk::sync_parent(path)?;
        let newest = [0, 1]
            .into_iter()
            .filter_map(|slot| read_slot(&file, slot))
            .max_by_key(|(sequence, _)| *sequence);
        let (sequence, state) = match newest {
            Some((sequence, mut bytes)) => {
                // What later versions append to a state reads as empty lists and zeros in an older one.
                bytes.extend_from_slice(&[0; APPENDED]);
                (sequence, Some(postcard::from_bytes(&bytes).map_err(io::Error::other)?))
            }
            None => (0, None),
        };
        Ok((Self { file, sequence, state: PhantomData }, state))
    }

    /// Makes `state` the newest; returns when it is on the disk.
    pub(crate) fn write(&mut self, state: &T) -> io::Result<()> {
        let content = postcard::to_allocvec(state).map_err(io::Error::other)?;
        if content.len() > SLOT_BYTES - PREFIX_BYTES - CHECKSUM_BYTES {
            return Err(io::Error::other(format!("state of {} bytes does not fit its slot", content.len())));
        }
        let sequence = self.sequence + 1;
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + content.len() + CHECKSUM_BYTES);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&sequence.to_le_bytes());
        bytes.extend_from_slice(&content);
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        self.file.write_all_at(&bytes, slot_offset(sequence))?;
        disk::sync_data(&self.file)?;
        self.sequence = sequence;
        Ok(())
    }
}

/// The note behind the slots; a handle of its own, so that the committer waits for nobody.
pub(super) struct Note {
    file: File,
}

impl Note {
    /// Opens the note of a state file that is there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::options().read(true).write(true).open(path)? })
    }

    /// Overwrites the note, without waiting for the disk.
    pub(super) fn write(&self, note: &impl Serialize) -> io::Result<()> {
        let mut bytes =
            postcard::to_extend(note, Vec::with_capacity(NOTE_BYTES)).map_err(io::Error::other)?;
        bytes.resize(NOTE_BYTES - CHECKSUM_BYTES, 0);
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        self.file.write_all_at(&bytes, NOTE_OFFSET)
    }

    /// Reads the note; none when it was never written or is torn.
    pub(super) fn read<N: DeserializeOwned>(&self) -> Option<N> {
        let mut bytes = [0; NOTE_BYTES];
        self.file.read_exact_at(&mut bytes, NOTE_OFFSET).ok()?;
        let (content, checksum) = bytes.split_at(NOTE_BYTES - CHECKSUM_BYTES);
        if xxh3_64(content).to_le_bytes() != checksum {
            return None;
        }
        postcard::from_bytes(content).ok()
    }
}

const fn slot_offset(sequence: u64) -> u64 {
    (sequence % 2) * SLOT_BYTES as u64
}

fn read_slot(file: &File, slot: u64) -> Option<(u64, Vec<u8>)> {
    let mut bytes = vec![0; SLOT_BYTES];
    file.read_exact_at(&mut bytes, slot_offset(slot)).ok()?;
    let length = u32::from_le_bytes(bytes[..LENGTH_BYTES].try_into().ok()?) as usize;
    let end = PREFIX_BYTES.checked_add(length).filter(|end| end + CHECKSUM_BYTES <= SLOT_BYTES)?;
    let checksum = u64::from_le_bytes(bytes[end..end + CHECKSUM_BYTES].try_into().ok()?);
    if length == 0 || xxh3_64(&bytes[..end]) != checksum {
        return None;
    }
    let sequence = u64::from_le_bytes(bytes[LENGTH_BYTES..PREFIX_BYTES].try_into().ok()?);
    Some((sequence, bytes[PREFIX_BYTES..end].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_state_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let (mut file, found) = StateFile::<u64>::open(&path).unwrap();
        assert_eq!(found, None);
        for state in 1..=5 {
            file.write(&state).unwrap();
            assert_eq!(StateFile::<u64>::open(&path).unwrap().1, Some(state));
        }
    }

    #[test]
    fn a_note_comes_back_and_disturbs_no_slot() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let (mut file, _) = StateFile::<u64>::open(&path).unwrap();
        let note = Note::open(&path).unwrap();
        assert_eq!(note.read::<u64>(), None);
        note.write(&u64::MAX).unwrap();
        file.write(&1).unwrap();
        assert_eq!(Note::open(&path).unwrap().read(), Some(u64::MAX));
        assert_eq!(StateFile::<u64>::open(&path).unwrap().1, Some(1));
    }

    #[test]
    fn a_torn_write_leaves_the_state_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let (mut file, _) = StateFile::<u64>::open(&path).unwrap();
        file.write(&11).unwrap();
        file.write(&12).unwrap();
        file.file.write_all_at(&[0xAA; 9], slot_offset(2) + 7).unwrap();
        assert_eq!(StateFile::<u64>::open(&path).unwrap().1, Some(11));
    }
}
