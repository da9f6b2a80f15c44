//! The directories of segments: names, listing, removal.

use std::io;
use std::path::{Path, PathBuf};

use penstock_shared::id::CommitNumber;

const NAME_DIGITS: usize = 20;
/// Marks a directory whose removal has begun; what is left of it is removed at the next start.
const DROPPED_SUFFIX: &str = ".dropped";

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

/// Removes a segment; after a crash in the middle it is either whole or marked.
pub(super) fn remove(parent: &Path, first: CommitNumber) -> io::Result<()> {
    let dir = path(parent, first);
    let dropped = dir.with_extension(&DROPPED_SUFFIX[1..]);
    std::fs::rename(&dir, &dropped)?;
    std::fs::remove_dir_all(dropped)
}

/// Finishes removals that a crash interrupted.
pub(super) fn sweep(parent: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(DROPPED_SUFFIX) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
