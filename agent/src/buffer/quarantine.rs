//! Where damaged segments go, for an operator who wants to look; bounded, oldest first out.

use std::io;
use std::path::{Path, PathBuf};

use penstock_shared::reading::TimestampMicros;

use super::disk;

/// The quarantine of one buffer.
pub(super) struct Quarantine {
    dir: PathBuf,
    limit_bytes: u64,
}

impl Quarantine {
    pub(super) const fn new(dir: PathBuf, limit_bytes: u64) -> Self {
        Self { dir, limit_bytes }
    }

    /// Moves a segment's directory in; durable when it returns.
    pub(super) fn take(&self, segment: &Path) -> io::Result<()> {
        disk::create_dir_durable(&self.dir)?;
        let name = segment.file_name().unwrap_or_default().to_string_lossy();
        std::fs::rename(segment, self.dir.join(format!("{:020}-{name}", TimestampMicros::now().0)))?;
        disk::sync_dir(&self.dir)?;
        disk::sync_parent(segment)?;
        self.keep_within_limit()
    }

    fn keep_within_limit(&self) -> io::Result<()> {
        let mut names: Vec<_> = std::fs::read_dir(&self.dir)?.flatten().map(|entry| entry.path()).collect();
        names.sort();
        while names.len() > 1 && disk::bytes_below(&self.dir) > self.limit_bytes {
            std::fs::remove_dir_all(names.remove(0))?;
        }
        Ok(())
    }
}
