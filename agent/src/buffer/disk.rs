//! Directories, free space and the reserve: what the buffer asks of the file system beside sled.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Enough for sled to open a database on a full disk: it writes a snapshot and up to two of its 512 KiB segments.
const RESERVE_BYTES: u64 = 4 << 20;

/// Creates a directory and its parents, each entry durable.
pub(super) fn create_dir_durable(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_dir_durable(parent)?;
    }
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_parent(dir)
}

/// Makes the entries of a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes the entry of `path` in its directory durable.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

/// Returns the bytes of all files below `dir`; what vanishes meanwhile counts nothing.
pub(super) fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Returns the bytes that an ordinary process may still write to the file system of `dir`.
pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let figures = rustix::fs::statvfs(dir)?;
    Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
}

/// A file that holds room, so that sled can be opened when others have filled the disk.
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(super) fn new(dir: &Path) -> Self {
        Self { path: dir.join("reserve") }
    }

    /// Takes the room; a failure leaves none taken.
    pub(super) fn take(&self) -> io::Result<()> {
        if std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() == RESERVE_BYTES) {
            return Ok(());
        }
        let file = File::create(&self.path)?;
        let taken = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_BYTES);
        if let Err(error) = taken {
            self.give_back()?;
            return Err(error.into());
        }
        Ok(())
    }

    /// Gives the room back to the file system.
    pub(super) fn give_back(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
