//! The buffer's directory: whether it may be written, has room, and is nobody else's.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::config::Settings;

const MEBIBYTE: u64 = 1 << 20;

/// Looks whether the buffer may be written, and whether its quota fits the disk.
pub(super) fn room(settings: &Settings) -> Finding {
    let dir = &settings.buffer.dir;
    let outcome = nearest(dir).ok_or_else(|| "no such directory".to_owned()).and_then(|existing| {
        access(&existing, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| format!("{} cannot be written: {error}", existing.display()))?;
        let room = statvfs(&existing).map_err(|error| error.to_string())?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        let (quota, floor) = (settings.buffer.quota_bytes, settings.buffer.min_free_bytes);
        let wanted = quota.saturating_add(floor);
        if free < floor {
            return Err(format!(
                "{} MiB free, less than min_free_bytes: nothing is accepted",
                free / MEBIBYTE
            ));
        }
        let (free, quota) = (free / MEBIBYTE, quota / MEBIBYTE);
        if wanted / MEBIBYTE > free && existing == *dir {
            return Ok(format!("{free} MiB free, which is less than the quota of {quota} MiB may need"));
        }
        Ok(format!("{free} MiB free, quota {quota} MiB"))
    });
    Finding::of(&format!("buffer in {}", dir.display()), outcome)
}

/// Looks who has the buffer.
pub(super) fn owner(settings: &Settings) -> Finding {
    if is_in_use(settings) { Finding::good("agent: running") } else { Finding::good("agent: not running") }
}

/// Tells whether an agent has the buffer open.
pub(super) fn is_in_use(settings: &Settings) -> bool {
    let Ok(lock) = File::open(settings.buffer.dir.join("lock")) else { return false };
    matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock))
}

/// Returns the directory, or the one above it that is there.
fn nearest(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|ancestor| ancestor.is_dir()).map(Path::to_path_buf)
}
