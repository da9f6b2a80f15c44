//! What can be wrong with a disk, and which calls it hits.

use nix::errno::Errno;

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DiskFault {
    /// Nothing.
    #[default]
    None,
    /// There is no room: what grows a file or makes a name is refused with `ENOSPC`.
    Full,
    /// Writes are refused with `EIO`.
    WriteFails,
    /// Syncs of what was written since the last one fail with `EIO`; a later sync succeeds without these bytes.
    SyncFails,
    /// Everything that changes something is refused with `EROFS`, as after a remount.
    ReadOnly,
}

impl DiskFault {
    pub(super) fn of_bytes(self, grows: bool) -> Result<(), Errno> {
        match self {
            Self::Full if grows => Err(Errno::ENOSPC),
            Self::WriteFails => Err(Errno::EIO),
            Self::ReadOnly => Err(Errno::EROFS),
            _ => Ok(()),
        }
    }

    pub(super) fn of_names(self) -> Result<(), Errno> {
        match self {
            Self::Full => Err(Errno::ENOSPC),
            Self::ReadOnly => Err(Errno::EROFS),
            _ => Ok(()),
        }
    }

    pub(super) fn of_removals(self) -> Result<(), Errno> {
        if self == Self::ReadOnly { Err(Errno::EROFS) } else { Ok(()) }
    }

    pub(super) fn of_syncs(self) -> Result<(), Errno> {
        match self {
            Self::SyncFails => Err(Errno::EIO),
            Self::ReadOnly => Err(Errno::EROFS),
            _ => Ok(()),
        }
    }
}
