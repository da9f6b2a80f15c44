//! The directories of segments: names, listing, removal.

use std::io;
use std::path::{Path, PathBuf};

use penstock_shared::id::CommitNumber;

use super::disk;

const NAME_DIGITS: usize = 20;
/// Marks a directory whose removal has begun; what is left of it is removed at the next start.
const DROPPED_SUFFIX: &str = ".dropped";

/// Marks what was saved of a damaged segment, whole, until it stands in the damaged one's place.
const SAVED_SUFFIX: &str = ".saved";

/// Returns the directory of the segment that begins with `first`; names sort as their numbers do.
pub(super) fn path(parent: &Path, first: CommitNumber) -> PathBuf {
    parent.join(format!("{:0NAME_DIGITS$}", first.0))
}

/// Returns the first numbers of all segments, oldest first.
pub(super) fn list(parent: &Path) -> io::Result<Vec<CommitNumber>> {
    let entries = match std::fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut firsts = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.len() == NAME_DIGITS {
            firsts.extend(name.parse().ok().map(CommitNumber));
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// Removes a segment; after a crash in the middle it is either whole or marked. Durable when it returns: its disk is
/// counted as free from then on.
pub(super) fn remove(parent: &Path, first: CommitNumber) -> io::Result<()> {
    let dir = path(parent, first);
    let dropped = dir.with_extension(&DROPPED_SUFFIX[1..]);
    std::fs::rename(&dir, &dropped)?;
    std::fs::remove_dir_all(dropped)?;
    disk::sync_dir(parent)
}

/// Returns where what is saved of a damaged segment is put together.
pub(super) fn saved(parent: &Path, first: CommitNumber) -> PathBuf {
    path(parent, first).with_extension(&SAVED_SUFFIX[1..])
}

/// Puts what was saved of a segment in its place, which is empty; durable when it returns.
pub(super) fn put_in_place(parent: &Path, first: CommitNumber) -> io::Result<()> {
    std::fs::rename(saved(parent, first), path(parent, first))?;
    disk::sync_dir(parent)
}

/// Finishes what a crash interrupted: removals; and what was saved of a segment is in its place as soon as the damaged
/// one is not.
pub(super) fn sweep(parent: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let (entry_path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let name = name.to_string_lossy();
        let replaced = name.strip_suffix(SAVED_SUFFIX).map(|name| parent.join(name));
        match replaced {
            Some(replaced) if !replaced.exists() => {
                std::fs::rename(&entry_path, replaced)?;
                disk::sync_dir(parent)?;
            }
            Some(_) => std::fs::remove_dir_all(&entry_path)?,
            None if name.ends_with(DROPPED_SUFFIX) => std::fs::remove_dir_all(&entry_path)?,
            None => {}
        }
    }
    Ok(())
}
