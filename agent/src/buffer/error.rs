//! What can go wrong with the buffer, by what the caller can do about it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::segment::SegmentError;
use crate::delivery::NotCommitted;

/// Why the buffer cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// Another process holds the directory's lock.
    #[error("buffer {0} is in use by another process")]
    InUse(PathBuf),
    /// The disk refused.
    #[error("{path}: {source}")]
    Disk {
        /// The file or directory concerned.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A segment refused.
    #[error("segment {0}")]
    Segment(#[from] SegmentError),
}

impl BufferError {
    /// Tells whether the disk refuses for a reason that may pass by itself: it is full, read-only or fails. A directory
    /// that is forbidden or no directory stays so until an operator comes.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let (Self::Disk { source, .. } | Self::Segment(SegmentError::Disk { source, .. })) = self else {
            return false;
        };
        let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::ReadOnlyFilesystem];
        kinds.contains(&source.kind()) || source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
    }

    pub(super) fn disk(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { path, source }
    }
}

/// Why a group was not committed; nothing of it may be acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The quota is reached and the policy is to block.
    #[error("buffer full: quota reached and policy is block")]
    Full,
    /// The file system has less room than the floor.
    #[error("only {free_bytes} bytes free on the disk, {floor_bytes} must stay free")]
    BelowFloor {
        /// What is free.
        free_bytes: u64,
        /// What must stay free.
        floor_bytes: u64,
    },
    /// A recent attempt to open the segment failed; the next one is not due yet.
    #[error("disk refused lately: {0}")]
    Waiting(String),
    /// A segment refused.
    #[error("segment {0}")]
    Segment(#[from] SegmentError),
    /// The buffer's state or directory refused.
    #[error(transparent)]
    Buffer(#[from] BufferError),
}

impl From<&AppendError> for NotCommitted {
    fn from(error: &AppendError) -> Self {
        match error {
            AppendError::Full => Self::BufferFull,
            other => Self::Disk(other.to_string()),
        }
    }
}
