//! A disk whose power can be cut: a file system that forgets what was never synced.
//!
//! kill -9 leaves the page cache standing, so it proves nothing about `fsync`. This file system holds two versions of
//! everything: what programs see, and what a disk would still have after the power came back. A file's bytes move
//! from the first to the second on `fsync` of the file; a directory's entries on `fsync` of the directory. It mounts
//! through FUSE, so that the real program runs on it unchanged.
//!
//! It can be a worse disk still: one that tears writes, and one that is full, fails or is read-only on command.

mod fault;
mod file;
mod mount;
mod tree;

#[cfg(test)]
mod tests;

pub use fault::DiskFault;
pub use mount::{Disk, MountError};
pub use tree::Tree;
