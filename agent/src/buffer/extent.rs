//! The unit in which a segment's log grows and is cleaned: sled's own `segment_size`, called extent here.
//!
//! sled keeps it for a database's life (file `conf`, and refuses to open by another), so a log that is there is opened
//! by what it was made with. A page above a quarter of it goes to a blob file, which leaks; a leaf holds up to 17
//! entries: so pieces are smaller the smaller it is. Opening a log fills its last extent up and writes a snapshot.
//! Small extents are for small quotas: below 8 KiB pieces would be mostly keys, and sled's index might make blobs.
//!
//! sled writes pages anew further on, and uses an extent again as soon as all that is in it stands elsewhere *too*, in the
//! extents before the one that is being filled: what it calls stable, which a power cut may still take. So the log must
//! never move on by more than an extent without an fsync ([`Extent::unsynced_bytes`]).

use std::path::Path;

const LEAST: usize = 8 << 10;
/// sled's default.
const LARGEST: usize = 512 << 10;
/// The extents of a segment at least: so much of it, rounded up, is lost to the last one.
const EXTENTS_A_SEGMENT: u64 = 8;
/// Above an extent's quarter a page becomes a blob.
const PAGES_AN_EXTENT: usize = 4;
/// The most entries that a leaf holds, before it is split.
const PIECES_A_LEAF: usize = 17;
/// sled's header of an extent and of a message, and what a leaf says of itself.
const PAGE_OVERHEAD: usize = 128;
/// A piece's key, count and lengths.
pub(super) const PIECE_OVERHEAD: usize = 20;
/// No larger, however large the extent.
const LARGEST_PIECE: usize = 6 * 1024;
/// sled's log grows by less than so many times an entry, and half an extent: by pieces in full, and leaves written anew.
/// Measured for entries of 60 B to 20 kB: 4.9 at 8 KiB, 3.3 at 512 KiB.
const GROWTH: u64 = 5;
/// What is put in moves sled's log on by 4 to 7 times as much, and a page: for a twelfth of an extent by less than one
/// (`salvage/tests/growth.rs`).
const PARTS_WITHOUT_SYNC: usize = 12;
/// sled may need that to open a log on a full disk.
const EXTENTS_OF_RESERVE: u64 = 8;

/// How many bytes a log's extent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Extent(usize);

impl Extent {
    /// The one of logs without a bound of their own.
    pub(super) const LARGEST: Self = Self(LARGEST);

    /// Returns the extent of new segments that are closed at `segment_bytes`.
    pub(super) fn for_segments(segment_bytes: u64) -> Self {
        let part =
            usize::try_from(segment_bytes / EXTENTS_A_SEGMENT).unwrap_or(LARGEST).clamp(LEAST, LARGEST);
        Self(1 << part.ilog2())
    }

    /// Returns what the log in `dir` was made with; none where there is no log, or it does not say.
    pub(super) fn of(dir: &Path) -> Option<Self> {
        let conf = std::fs::read(dir.join("conf")).ok()?;
        let conf = String::from_utf8_lossy(&conf);
        let bytes = conf.lines().find_map(|line| line.strip_prefix("segment_size: "))?.parse().ok()?;
        Some(Self(bytes))
    }

    pub(super) const fn bytes(self) -> u64 {
        self.0 as u64
    }

    /// Returns sled's setting.
    pub(super) const fn segment_size(self) -> usize {
        self.0
    }

    /// Returns the most bytes of a piece, so that no leaf becomes a blob.
    pub(super) fn piece_bytes(self) -> usize {
        let leaf = (self.0 / PAGES_AN_EXTENT).saturating_sub(PAGE_OVERHEAD);
        (leaf / PIECES_A_LEAF).saturating_sub(PIECE_OVERHEAD).clamp(1, LARGEST_PIECE)
    }

    /// Returns how many bytes may be put at most, each piece with [`PIECE_OVERHEAD`], before the log is fsynced.
    pub(super) const fn unsynced_bytes(self) -> usize {
        self.0 / PARTS_WITHOUT_SYNC
    }

    /// Returns by how much a log may grow as it takes `entry_bytes`.
    pub(super) const fn growth(self, entry_bytes: u64) -> u64 {
        self.bytes() / 2 + GROWTH * entry_bytes
    }

    /// Returns how long an entry may be to make a log grow by no more than `room`.
    pub(super) const fn entry_within(self, room: u64) -> u64 {
        room.saturating_sub(self.bytes() / 2) / GROWTH
    }

    /// Returns the room to keep for opening such logs on a full disk.
    pub(super) const fn reserve_bytes(self) -> u64 {
        EXTENTS_OF_RESERVE * self.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_follow_the_size_of_segments() {
        let extent = |segment_bytes| Extent::for_segments(segment_bytes).0;
        assert_eq!([extent(0), extent(16_000), extent(1 << 20)], [8 << 10, 8 << 10, 128 << 10]);
        assert_eq!([extent(3 << 20), extent(16 << 20), extent(u64::MAX)], [256 << 10, 512 << 10, 512 << 10]);
    }

    #[test]
    fn pieces_keep_the_size_that_segments_on_disk_have() {
        assert_eq!(Extent::LARGEST.piece_bytes(), 6 * 1024);
        assert_eq!(Extent(LEAST).piece_bytes(), 92);
    }

    #[test]
    fn a_log_says_what_it_was_made_with() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        assert_eq!(Extent::of(&log), None);
        drop(sled::Config::new().path(&log).segment_size(32 << 10).open().unwrap());
        assert_eq!(Extent::of(&log), Some(Extent(32 << 10)));
        std::fs::write(log.join("conf"), [0xFF; 70]).unwrap();
        assert_eq!(Extent::of(&log), None);
    }
}
