//! The books' page of segments: which are on the disk, how large, and which the hub has whole. Pure.

use penstock_shared::id::CommitNumber;

use super::books::{Books, SegmentInfo};
use super::entry::Totals;

impl Books {
    /// Returns the bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Returns the place of the segment that begins with `first`; none where it is not, or no more.
    pub(super) fn place_of(&self, first: CommitNumber) -> Option<usize> {
        self.segments.binary_search_by_key(&first, |segment| segment.first).ok()
    }

    /// Takes note of a segment's bytes, where it is known: a log grows as it is opened.
    pub(super) fn note_bytes(&mut self, first: CommitNumber, bytes: u64) {
        if let Some(place) = self.place_of(first) {
            self.segments[place].bytes = bytes;
        }
    }

    /// Takes what the closed segments tell where the state is older: the active one may be empty, and tell nothing.
    pub(super) fn catch_up(&mut self) {
        if let Some(newest) = self.segments.back().filter(|newest| newest.last > self.state.last) {
            let rejected = newest.end.rejected.max(self.state.totals.rejected);
            (self.state.last, self.state.totals) = (newest.last, Totals { rejected, ..newest.end });
        }
    }

    /// Tells whether the hub has a closed segment whole.
    fn is_whole(&self, segment: &SegmentInfo) -> bool {
        segment.last <= self.state.confirmed || self.state.express.has(segment.first, segment.last)
    }

    /// Tells whether the hub has any segment whole, but for the active one.
    pub(super) fn has_confirmed(&self) -> bool {
        let closed = self.segments.len().saturating_sub(1);
        self.segments.iter().take(closed).any(|segment| self.is_whole(segment))
    }

    /// Returns the segments that the hub has whole; the active one stays.
    pub(super) fn take_confirmed(&mut self) -> Vec<SegmentInfo> {
        // By what was on the disk before: what is taken now is there until the books without it are written.
        if let Some(oldest) = self.segments.front() {
            self.state.express.forget_before(oldest.first, self.state.confirmed);
        }
        let Some(active) = self.segments.pop_back() else { return Vec::new() };
        let (confirmed, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.segments).into_iter().partition(|segment| self.is_whole(segment));
        self.segments = kept.into();
        self.segments.push_back(active);
        confirmed
    }

    /// Returns the segment that may hold `number` or, failing that, the next one with commits after it.
    pub(super) fn segment_at(&self, number: CommitNumber) -> Option<&SegmentInfo> {
        let place = self.segments.partition_point(|segment| segment.last < number);
        self.segments.iter().skip(place).find(|segment| segment.last >= segment.first)
    }
}
