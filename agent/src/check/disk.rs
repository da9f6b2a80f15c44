//! The buffer's directory: whether it may be written, has room, and is nobody else's.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::config::Settings;
use crate::control::{is_in_use, owner_of};

const MEBIBYTE: u64 = 1 << 20;

/// Looks whether the buffer may be written, and whether its quota fits the disk.
pub(super) fn room(settings: &Settings) -> Finding {
    let dir = &settings.buffer.dir;
    let outcome = nearest(dir).ok_or_else(|| "no such directory".to_owned()).and_then(|existing| {
        access(&existing, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
            let owner = owner_of(&existing);
            format!("{} is owned by {owner} and cannot be written: {error}", existing.display())
        })?;
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
    match is_in_use(&settings.buffer.dir) {
        Ok(true) => Finding::good("agent: running"),
        Ok(false) => Finding::good("agent: not running"),
        Err(error) => Finding::bad(format!("agent: whether it runs cannot be told: {error}")),
    }
}

/// Looks whether the agent's user may use every file of the buffer: a command run by root may have left one.
pub(super) fn strangers(settings: &Settings) -> Option<Finding> {
    let dir = &settings.buffer.dir;
    let uid = dir.metadata().ok()?.uid();
    let stranger = stranger(dir, uid)?;
    let (owner, whose) = (owner_of(dir), owner_of(&stranger));
    let text = format!("{} is owned by {whose}, the buffer by {owner}: chown it", stranger.display());
    Some(Finding::bad(text))
}

fn stranger(dir: &Path, uid: u32) -> Option<PathBuf> {
    std::fs::read_dir(dir).ok()?.flatten().find_map(|entry| {
        let metadata = entry.metadata().ok()?;
        let path = entry.path();
        if metadata.uid() != uid {
            return Some(path);
        }
        if metadata.is_dir() { stranger(&path, uid) } else { None }
    })
}

/// Looks whether everybody on this machine may read the hub's token.
pub(super) fn token(file: &Path) -> Option<Finding> {
    let is_token = |line: &str| {
        let (key, value) = line.split_once('=').unwrap_or_default();
        key.trim() == "token" && !matches!(value.trim(), "" | "\"\"")
    };
    let text = std::fs::read_to_string(file).ok()?;
    let is_open = file.metadata().ok()?.mode() & 0o004 != 0;
    (is_open && text.lines().any(is_token)).then(|| {
        Finding::bad(format!(
            "{} holds the hub's token and is readable by everybody: chmod o-r",
            file.display()
        ))
    })
}

/// Looks whether the agent's user alone may read the file that holds the hub's token.
pub(super) fn token_file(settings: &Settings) -> Option<Finding> {
    let file = settings.hub.token_file.as_deref()?;
    let seen = file.metadata().ok()?;
    if seen.mode() & 0o004 != 0 {
        let text =
            format!("{} holds the hub's token and is readable by everybody: chmod o-r", file.display());
        return Some(Finding::bad(text));
    }
    let buffer = settings.buffer.dir.metadata().ok()?;
    let is_only_its_owners = seen.mode() & 0o040 == 0 && seen.uid() != buffer.uid() && buffer.uid() != 0;
    is_only_its_owners.then(|| {
        let (owner, whose) = (owner_of(&settings.buffer.dir), owner_of(file));
        Finding::bad(format!("{} is {whose}'s alone, the buffer is {owner}'s: chown it", file.display()))
    })
}

/// Returns the directory, or the one above it that is there.
fn nearest(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|ancestor| ancestor.is_dir()).map(Path::to_path_buf)
}
