//! What an operator had sent again, so that nothing is sent again twice: a note before the commit, another behind it.
//!
//! ```text
//! intent (letter or batch, commit, fingerprint), fsync ─▶ commit, fsync ─▶ done, fsync
//! ```
//!
//! A crash leaves at most one intent without an outcome. Whether its commit was made is told by the commit itself: the
//! fingerprint is that of its bytes, which hold the number, the moment and the totals, so that no other commit has it.
//! This is settled before a number can be used again, and before the hub can confirm the commit: when the buffer
//! opens, and when a segment is opened afresh after a fault.
//!
//! The file `replays`: records of five little-endian words of 8 bytes: kind, key, commit (0 when done, all ones when it
//! came to nothing), fingerprint, XXH3-64 of the four before.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use penstock_shared::id::CommitNumber;
use xxhash_rust::xxh3::xxh3_64;

use super::disk;

const WORD_BYTES: usize = 8;
const RECORD_BYTES: usize = 5 * WORD_BYTES;
const DONE: u64 = 0;
const NOTHING: u64 = u64::MAX;

/// What is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replay {
    /// The dead letter of this number.
    Letter(u64),
    /// A batch of an export, by the hash of the export's id and the batch's number.
    Batch(u64),
}

/// What was to be committed when nothing more was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Intent {
    pub(super) replay: Replay,
    pub(super) commit: CommitNumber,
    pub(super) fingerprint: u64,
}

/// The notes of one buffer. Nothing is on the disk before the first replay.
pub(super) struct Replays {
    path: PathBuf,
    loaded: Option<Loaded>,
}

struct Loaded {
    done: BTreeSet<Replay>,
    pending: Option<Intent>,
    file: Option<File>,
}

impl Replay {
    const fn words(self) -> (u64, u64) {
        match self {
            Self::Letter(number) => (1, number),
            Self::Batch(hash) => (2, hash),
        }
    }

    const fn of_words(kind: u64, key: u64) -> Option<Self> {
        match kind {
            1 => Some(Self::Letter(key)),
            2 => Some(Self::Batch(key)),
            _ => None,
        }
    }
}

/// Returns what tells a commit from every other.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

impl Replays {
    pub(super) fn new(dir: &Path) -> Self {
        Self { path: dir.join("replays"), loaded: None }
    }

    /// Tells whether something was sent again already.
    pub(super) fn is_done(&mut self, replay: Replay) -> io::Result<bool> {
        Ok(self.loaded()?.done.contains(&replay))
    }

    /// Returns the intent whose outcome is not noted.
    pub(super) fn pending(&mut self) -> io::Result<Option<Intent>> {
        Ok(self.loaded()?.pending)
    }

    /// Notes what is about to be committed; on the disk when it returns.
    pub(super) fn intend(&mut self, intent: Intent) -> io::Result<()> {
        self.write(intent.replay, intent.commit.0, intent.fingerprint)?;
        self.loaded()?.pending = Some(intent);
        Ok(())
    }

    /// Notes what became of the pending intent; on the disk when it returns.
    pub(super) fn settle(&mut self, replay: Replay, is_done: bool) -> io::Result<()> {
        self.write(replay, if is_done { DONE } else { NOTHING }, 0)?;
        let loaded = self.loaded()?;
        loaded.pending = None;
        if is_done {
            loaded.done.insert(replay);
        }
        Ok(())
    }

    fn write(&mut self, replay: Replay, commit: u64, fingerprint: u64) -> io::Result<()> {
        let path = self.path.clone();
        let loaded = self.loaded()?;
        let outcome = loaded.append(&path, &encode(replay, commit, fingerprint));
        if outcome.is_err() {
            // What of it is on the disk is read anew.
            self.loaded = None;
        }
        outcome
    }

    fn loaded(&mut self) -> io::Result<&mut Loaded> {
        let loaded = match self.loaded.take() {
            Some(loaded) => loaded,
            None => Loaded::read(&self.path)?,
        };
        Ok(self.loaded.insert(loaded))
    }
}

impl Loaded {
    fn read(path: &Path) -> io::Result<Self> {
        let mut loaded = Self { done: BTreeSet::new(), pending: None, file: None };
        let mut file = match File::options().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(loaded),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut whole = 0;
        for record in bytes.chunks_exact(RECORD_BYTES) {
            let Some((replay, commit, fingerprint)) = decode(record) else { break };
            loaded.take(replay, commit, fingerprint);
            whole += RECORD_BYTES as u64;
        }
        // A record that a crash tore was not acted upon.
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        loaded.file = Some(file);
        Ok(loaded)
    }

    fn take(&mut self, replay: Replay, commit: u64, fingerprint: u64) {
        match commit {
            DONE => {
                self.done.insert(replay);
                self.pending = None;
            }
            NOTHING => self.pending = None,
            commit => self.pending = Some(Intent { replay, commit: CommitNumber(commit), fingerprint }),
        }
    }

    fn append(&mut self, path: &Path, record: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(File::options().create(true).truncate(false).write(true).open(path)?);
            disk::sync_parent(path)?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(record)?;
        disk::sync_all(file)
    }
}

fn encode(replay: Replay, commit: u64, fingerprint: u64) -> Vec<u8> {
    let (kind, key) = replay.words();
    let mut bytes: Vec<u8> =
        [kind, key, commit, fingerprint].into_iter().flat_map(u64::to_le_bytes).collect();
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    bytes
}

fn decode(record: &[u8]) -> Option<(Replay, u64, u64)> {
    let (content, checksum) = record.split_at_checked(RECORD_BYTES - WORD_BYTES)?;
    if xxh3_64(content).to_le_bytes() != checksum {
        return None;
    }
    let mut words =
        content.chunks_exact(WORD_BYTES).map(|word| word.try_into().map_or(0, u64::from_le_bytes));
    let replay = Replay::of_words(words.next()?, words.next()?)?;
    Some((replay, words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(letter: u64) -> Intent {
        Intent { replay: Replay::Letter(letter), commit: CommitNumber(9), fingerprint: 77 }
    }

    #[test]
    fn what_was_noted_is_known_after_a_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let mut replays = Replays::new(dir.path());
        replays.intend(intent(1)).unwrap();
        replays.settle(Replay::Letter(1), true).unwrap();
        replays.intend(intent(2)).unwrap();
        replays.settle(Replay::Letter(2), false).unwrap();
        replays.intend(intent(3)).unwrap();
        let mut again = Replays::new(dir.path());
        assert!(again.is_done(Replay::Letter(1)).unwrap());
        assert!(!again.is_done(Replay::Batch(1)).unwrap());
        assert!(!again.is_done(Replay::Letter(2)).unwrap());
        assert_eq!(again.pending().unwrap(), Some(intent(3)));
    }

    #[test]
    fn a_torn_record_was_never_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut replays = Replays::new(dir.path());
        replays.intend(intent(1)).unwrap();
        replays.settle(Replay::Letter(1), true).unwrap();
        let path = dir.path().join("replays");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(RECORD_BYTES as u64 + 7).unwrap();
        let mut again = Replays::new(dir.path());
        assert_eq!(again.pending().unwrap(), Some(intent(1)));
        again.settle(Replay::Letter(1), true).unwrap();
        assert!(Replays::new(dir.path()).is_done(Replay::Letter(1)).unwrap());
    }
}
