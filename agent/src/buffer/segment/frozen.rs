//! A closed segment in its frozen form: one file of blocks, which nobody writes to any more.
//!
//! It is what a log becomes that waits long for the hub, and what is saved of a damaged one. Blocks are in the order of
//! their commits; what is missing between them is not there. Opening reads the blocks' heads alone, and where one
//! is damaged, goes on with the next that is whole.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use penstock_shared::id::CommitNumber;

use super::super::entry::{EntryError, StoredCommit};
use super::super::locked;
use super::SegmentError;
use super::block::{self, HEAD_BYTES, Head, MAGIC};

/// The file of blocks in a segment's directory.
pub(super) const FILE: &str = "frames";
/// The same while it is written.
pub(super) const UNFINISHED: &str = "frames.tmp";
/// The search for the next whole block reads so much at once.
const SEARCH_BYTES: usize = 64 * 1024;

/// An open frozen segment.
pub(in crate::buffer) struct Frozen {
    path: PathBuf,
    file: File,
    bytes: u64,
    blocks: Vec<Block>,
    /// The block that was read last, by its place.
    unpacked: Mutex<Option<(usize, Arc<Vec<StoredCommit>>)>>,
}

struct Block {
    head: Head,
    body_at: u64,
}

impl Frozen {
    /// Opens the file.
    pub(super) fn open(path: &Path) -> Result<Self, SegmentError> {
        let opened = || -> std::io::Result<Self> {
            let file = File::open(path)?;
            let bytes = file.metadata()?.len();
            let blocks = find_blocks(&file, bytes)?;
            Ok(Self { path: path.to_owned(), file, bytes, blocks, unpacked: Mutex::default() })
        };
        opened().map_err(SegmentError::disk(path))
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads a commit; none when it is not there.
    pub(super) fn get(&self, number: CommitNumber) -> Result<Option<StoredCommit>, SegmentError> {
        let place = self.blocks.partition_point(|block| block.head.last < number);
        let Some(block) = self.blocks.get(place).filter(|block| block.head.first <= number) else {
            return Ok(None);
        };
        let mut unpacked = locked(&self.unpacked);
        let commits = match &*unpacked {
            Some((at, commits)) if *at == place => Arc::clone(commits),
            _ => {
                let commits = Arc::new(self.unpack(block, number)?);
                *unpacked = Some((place, Arc::clone(&commits)));
                commits
            }
        };
        drop(unpacked);
        let at = usize::try_from(number.0 - block.head.first.0).unwrap_or(usize::MAX);
        Ok(commits.get(at).cloned())
    }

    fn unpack(&self, block: &Block, number: CommitNumber) -> Result<Vec<StoredCommit>, SegmentError> {
        let damaged = |source| SegmentError::Entry { number, source };
        let mut body = vec![0; block.head.body_bytes as usize];
        match self.file.read_exact_at(&mut body, block.body_at) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(damaged(EntryError::Truncated(0)));
            }
            outcome => outcome.map_err(SegmentError::disk(&self.path))?,
        }
        if !block.head.fits(&body) {
            return Err(damaged(EntryError::Checksum));
        }
        block::unpack(&block.head, &body).map_err(damaged)
    }

    /// Returns the smallest number that is there at or after `from`.
    pub(super) fn next_at(&self, from: CommitNumber) -> Option<CommitNumber> {
        let place = self.blocks.partition_point(|block| block.head.last < from);
        Some(self.blocks.get(place)?.head.first.max(from))
    }

    /// Returns the first number of the block behind the one that holds `number`, or behind the hole where it is not.
    pub(super) fn behind(&self, number: CommitNumber) -> CommitNumber {
        let place = self.blocks.partition_point(|block| block.head.last < number);
        match self.blocks.get(place).map(|block| block.head) {
            Some(head) if head.first <= number => head.last.next(),
            Some(head) => head.first,
            None => CommitNumber(u64::MAX),
        }
    }

    /// Returns the largest number that is there and at most `through`.
    pub(super) fn last_number(&self, through: CommitNumber) -> Option<CommitNumber> {
        let count = self.blocks.partition_point(|block| block.head.first <= through);
        Some(self.blocks.get(count.checked_sub(1)?)?.head.last.min(through))
    }

    /// Reads every block.
    pub(super) fn verify(&self) -> Result<(), SegmentError> {
        self.blocks.iter().try_for_each(|block| self.unpack(block, block.head.first).map(drop))
    }
}

fn find_blocks(file: &File, bytes: u64) -> std::io::Result<Vec<Block>> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut at = 0;
    while at + HEAD_BYTES as u64 <= bytes {
        let mut head = [0; HEAD_BYTES];
        file.read_exact_at(&mut head, at)?;
        let follows = |head: &Head| blocks.last().is_none_or(|before| before.head.last < head.first);
        let Some(head) = Head::read(&head).filter(follows) else {
            match next_magic(file, at + 1, bytes)? {
                Some(next) => at = next,
                None => break,
            }
            continue;
        };
        let body_at = at + HEAD_BYTES as u64;
        at = body_at + u64::from(head.body_bytes);
        blocks.push(Block { head, body_at });
    }
    Ok(blocks)
}

fn next_magic(file: &File, from: u64, bytes: u64) -> std::io::Result<Option<u64>> {
    let mut at = from;
    let mut chunk = vec![0; SEARCH_BYTES];
    while at + MAGIC.len() as u64 <= bytes {
        let length = SEARCH_BYTES.min(usize::try_from(bytes - at).unwrap_or(SEARCH_BYTES));
        file.read_exact_at(&mut chunk[..length], at)?;
        if let Some(found) = chunk[..length].windows(MAGIC.len()).position(|window| window == MAGIC) {
            return Ok(Some(at + found as u64));
        }
        // The end of a chunk may hold the beginning of a magic.
        at += (length - (MAGIC.len() - 1)) as u64;
    }
    Ok(None)
}
