//! Directories, free space and the reserve: what the buffer asks of the file system beside sled.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::wear;

/// Creates a directory and its parents, each entry durable: also that of one that is there, as who made it may have been
/// killed before it was. Its parents' entries are, for a child is made after that.
pub(super) fn create_dir_durable(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return sync_parent(dir);
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
    sync_all(&File::open(dir)?)
}

/// Makes a file durable, its length and times too. Every fsync of ours goes through here or through [`sync_data`].
pub(super) fn sync_all(file: &File) -> io::Result<()> {
    wear::note_fsync();
    file.sync_all()
}

/// Makes what a file holds durable.
pub(super) fn sync_data(file: &File) -> io::Result<()> {
    wear::note_fsync();
    file.sync_data()
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

/// A file that holds room, so that sled can be opened when others have filled the disk: it writes a snapshot and up to
/// two extents.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        Self { path: dir.join("reserve"), bytes }
    }

    /// Takes the room; a failure leaves none taken.
    pub(super) fn take(&self) -> io::Result<()> {
        if std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() == self.bytes) {
            return Ok(());
        }
        let mut file = File::create(&self.path)?;
        if let Err(error) = fill(&mut file, self.bytes, allocate) {
            self.give_back()?;
            return Err(error);
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

fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes)?)
}

/// Takes the reserve's room. Not every file system can allocate without writing: NFS before 4.2, FAT, many of FUSE.
fn fill(file: &mut File, bytes: u64, allocate: impl FnOnce(&File, u64) -> io::Result<()>) -> io::Result<()> {
    match allocate(file, bytes) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            let zeros = [0; 16 * 1024];
            for _ in 0..bytes / zeros.len() as u64 {
                file.write_all(&zeros)?;
            }
            sync_all(file)
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    const RESERVE_BYTES: u64 = 64 << 10;

    #[test]
    fn the_reserve_is_written_where_it_cannot_be_allocated() {
        let dir = tempfile::tempdir().unwrap();
        for unsupported in [rustix::io::Errno::OPNOTSUPP, rustix::io::Errno::NOSYS] {
            let mut file = File::create(dir.path().join("reserve")).unwrap();
            fill(&mut file, RESERVE_BYTES, |_, _| Err(unsupported.into())).unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!(metadata.len(), RESERVE_BYTES);
            assert!(metadata.blocks() * 512 >= RESERVE_BYTES, "{} blocks hold no room", metadata.blocks());
        }
    }

    #[test]
    fn a_full_disk_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = File::create(dir.path().join("reserve")).unwrap();
        let error = fill(&mut file, RESERVE_BYTES, |_, _| Err(rustix::io::Errno::NOSPC.into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}
