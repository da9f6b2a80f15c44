//! A file in two versions, and how bytes get from the one to the other.

use std::collections::BTreeSet;

use rand::Rng;
use rand::rngs::StdRng;

/// A dirty page's size: what `fsync` copies.
const PAGE: usize = 4096;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug, Default)]
pub(super) struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    dirty_pages: BTreeSet<usize>,
    /// Pages that count as clean although the disk does not have them: a sync of them failed.
    lost_pages: BTreeSet<usize>,
}

impl File {
    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    pub(super) fn is_clean(&self) -> bool {
        self.dirty_pages.is_empty() && self.seen.len() == self.durable.len()
    }

    pub(super) fn read(&mut self, offset: usize, size: usize) -> &[u8] {
        let end = offset.saturating_add(size).min(self.seen.len());
        let lost: Vec<_> = self.lost_pages.range(offset / PAGE..end.div_ceil(PAGE)).copied().collect();
        for page in lost {
            self.lost_pages.remove(&page);
            if self.dirty_pages.contains(&page) {
                continue;
            }
            for place in page * PAGE..((page + 1) * PAGE).min(self.seen.len()) {
                self.seen[place] = self.durable.get(place).copied().unwrap_or_default();
            }
        }
        self.seen.get(offset..end).unwrap_or_default()
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.resize(end);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        self.touch(offset, end);
    }

    pub(super) fn resize(&mut self, len: usize) {
        let (shorter, longer) = (self.seen.len().min(len), self.seen.len().max(len));
        self.seen.resize(len, 0);
        self.touch(shorter, longer);
    }

    pub(super) fn sync(&mut self) {
        self.lost_pages.retain(|page| !self.dirty_pages.contains(page));
        copy_pages(std::mem::take(&mut self.dirty_pages), &self.seen, &mut self.durable);
    }

    /// Fails as Linux does: the dirty pages count as clean, and programs go on seeing what the disk does not have.
    pub(super) fn fail_sync(&mut self) {
        self.lost_pages.append(&mut self.dirty_pages);
    }

    pub(super) fn forget(&mut self) {
        let mut pages = std::mem::take(&mut self.dirty_pages);
        pages.append(&mut self.lost_pages);
        copy_pages(pages, &self.durable, &mut self.seen);
    }

    /// Lets each sector that was not synced arrive or not.
    pub(super) fn tear(&mut self, chance: &mut StdRng) {
        if self.seen.len() < self.durable.len() && chance.random() {
            self.durable.truncate(self.seen.len());
        }
        for page in std::mem::take(&mut self.dirty_pages) {
            self.arrive(page, chance);
            self.lost_pages.insert(page);
        }
    }

    /// Lets some sectors of one dirty page arrive, which stays dirty.
    pub(super) fn write_back(&mut self, chance: &mut StdRng) {
        let Some(nth) = self.dirty_pages.len().checked_sub(1) else { return };
        if let Some(page) = self.dirty_pages.iter().nth(chance.random_range(0..=nth)).copied() {
            self.arrive(page, chance);
        }
    }

    fn arrive(&mut self, page: usize, chance: &mut StdRng) {
        for start in (page * PAGE..(page + 1) * PAGE).step_by(SECTOR) {
            let end = (start + SECTOR).min(self.seen.len());
            if start < end && chance.random() {
                if self.durable.len() < end {
                    self.durable.resize(end, 0);
                }
                self.durable[start..end].copy_from_slice(&self.seen[start..end]);
            }
        }
    }

    fn touch(&mut self, from: usize, to: usize) {
        self.dirty_pages.extend(from / PAGE..to.div_ceil(PAGE));
    }
}

fn copy_pages(pages: BTreeSet<usize>, from: &[u8], to: &mut Vec<u8>) {
    to.resize(from.len(), 0);
    for page in pages {
        let end = ((page + 1) * PAGE).min(from.len());
        if let Some(source) = from.get(page * PAGE..end) {
            to[page * PAGE..end].copy_from_slice(source);
        }
    }
}
