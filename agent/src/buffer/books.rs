//! Where every record is: the pure arithmetic behind conservation, quota and gaps. No I/O here.
//!
//! Let C(n) be the readings in all commits up to n; every commit on disk carries it. Then what the hub confirmed
//! between two commits is a difference of C, less what lay in gaps, and nothing needs to be counted one by one:
//!
//! ```text
//! C(last) = stored + evicted + refused + buffered        received = C(last) + dead letters + rejected
//! ```

use std::collections::VecDeque;

use penstock_shared::batch::{Gap, GapReason};
use penstock_shared::id::{CommitNumber, Epoch};
use penstock_shared::reading::TimestampMicros;
use penstock_shared::report::RecordCounts;
use serde::{Deserialize, Serialize};

use super::entry::Totals;

/// What is known of a segment without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SegmentInfo {
    /// The number that names it.
    pub(super) first: CommitNumber,
    /// The last commit in it; before `first` when it is empty.
    pub(super) last: CommitNumber,
    /// C before its first commit.
    pub(super) readings_before: u64,
    /// The totals at its end.
    pub(super) end: Totals,
    /// Its bytes on disk.
    pub(super) bytes: u64,
    /// When its oldest reading arrived.
    pub(super) oldest_received_at: Option<TimestampMicros>,
}

/// What must survive a crash beside the commits themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct BooksState {
    pub(super) epoch: Epoch,
    /// The last commit and totals when this was written; commits may have followed since.
    pub(super) last: CommitNumber,
    pub(super) totals: Totals,
    /// The last commit that the hub has confirmed, and C there.
    pub(super) confirmed: CommitNumber,
    pub(super) confirmed_readings: u64,
    pub(super) stored: u64,
    pub(super) evicted: u64,
    pub(super) refused: u64,
    /// Runs after `confirmed` that will never be sent, oldest first, none touching another of its reason.
    pub(super) gaps: Vec<Gap>,
}

/// The books of one buffer.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) state: BooksState,
    /// The segments on disk, oldest first; the last one is the active one.
    pub(super) segments: VecDeque<SegmentInfo>,
    /// When the last confirmed commit arrived: what still waits arrived no earlier.
    confirmed_received_at: Option<TimestampMicros>,
}

/// A commit that was sent, and what the hub's confirmation of it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentCommit {
    /// Which.
    pub number: CommitNumber,
    /// How many readings it holds.
    pub readings: u32,
    /// C up to and with it.
    pub readings_through: u64,
    /// When its oldest reading arrived.
    pub received_at: TimestampMicros,
}

impl BooksState {
    pub(super) fn fresh() -> Self {
        Self {
            epoch: Epoch::random(),
            last: CommitNumber::NONE,
            totals: Totals::default(),
            confirmed: CommitNumber::NONE,
            confirmed_readings: 0,
            stored: 0,
            evicted: 0,
            refused: 0,
            gaps: Vec::new(),
        }
    }
}

impl Books {
    pub(super) fn new(state: BooksState) -> Self {
        Self { state, segments: VecDeque::new(), confirmed_received_at: None }
    }

    pub(super) fn counts(&self) -> RecordCounts {
        let BooksState { totals, stored, evicted, refused, .. } = self.state;
        RecordCounts {
            received: totals.readings + totals.dead_lettered + totals.rejected,
            stored,
            buffered: totals.readings.saturating_sub(stored + evicted + refused),
            dead_lettered: totals.dead_lettered + refused,
            evicted,
            rejected: totals.rejected,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Takes note of a commit that became durable in the active segment.
    pub(super) fn appended(&mut self, number: CommitNumber, totals: Totals, received_at: TimestampMicros) {
        self.state.last = number;
        self.state.totals = totals;
        if let Some(active) = self.segments.back_mut() {
            active.last = number;
            active.end = totals;
            active.oldest_received_at.get_or_insert(received_at);
        }
    }

    /// Takes note that the hub has everything through `through`, where C is `readings_through`.
    ///
    /// `sent` are the commits of the batch in flight: where the quota evicted one of them meanwhile, it turns out to
    /// be stored after all.
    pub(super) fn confirm(&mut self, through: CommitNumber, readings_through: u64, sent: &[SentCommit]) {
        if through <= self.state.confirmed {
            return;
        }
        for commit in sent.iter().filter(|commit| commit.number <= through) {
            self.rescue(commit);
            self.confirmed_received_at = Some(commit.received_at);
        }
        let mut in_gaps = 0;
        self.state.gaps.retain_mut(|gap| {
            if gap.last <= through {
                in_gaps += gap.readings;
                return false;
            }
            gap.first = gap.first.max(through.next());
            true
        });
        let passed = readings_through.saturating_sub(self.state.confirmed_readings);
        self.state.stored += passed.saturating_sub(in_gaps);
        self.state.confirmed = through;
        self.state.confirmed_readings = readings_through;
    }

    fn rescue(&mut self, commit: &SentCommit) {
        let number = commit.number;
        let evicted =
            |gap: &&mut Gap| gap.reason == GapReason::Evicted && (gap.first..=gap.last).contains(&number);
        if let Some(gap) = self.state.gaps.iter_mut().find(evicted) {
            let readings = u64::from(commit.readings).min(gap.readings);
            gap.readings -= readings;
            self.state.evicted -= readings.min(self.state.evicted);
        }
    }

    /// Drops a segment from the books; what the hub has not confirmed of it is evicted or lost.
    pub(super) fn drop_segment(&mut self, first: CommitNumber, reason: GapReason) -> Option<SegmentInfo> {
        let place = self.segments.iter().position(|segment| segment.first == first)?;
        let segment = self.segments.remove(place)?;
        let before = segment.readings_before.max(self.state.confirmed_readings);
        self.lose(segment.first, segment.last, segment.end.readings.saturating_sub(before), reason);
        Some(segment)
    }

    /// Declares `first..=last` as never coming. `readings` is the difference of C over the part after `confirmed`.
    pub(super) fn lose(&mut self, first: CommitNumber, last: CommitNumber, readings: u64, reason: GapReason) {
        let first = first.max(self.state.confirmed.next());
        if last < first {
            return;
        }
        let mut counted = 0;
        self.state.gaps.retain(|gap| {
            let inside = first <= gap.first && gap.last <= last;
            counted += if inside { gap.readings } else { 0 };
            !inside
        });
        let fresh = readings.saturating_sub(counted);
        match reason {
            GapReason::Refused => self.state.refused += fresh,
            GapReason::Evicted | GapReason::Quarantined | GapReason::TrimmedEarlier => {
                self.state.evicted += fresh
            }
        }
        self.insert_gap(Gap { first, last, readings: readings.max(counted), reason });
    }

    fn insert_gap(&mut self, gap: Gap) {
        let place = self.state.gaps.partition_point(|other| other.first < gap.first);
        self.state.gaps.insert(place, gap);
        let mut merged: Vec<Gap> = Vec::with_capacity(self.state.gaps.len());
        for gap in self.state.gaps.drain(..) {
            // A gap never reaches across the edge of a segment that is still there: the segment may be evicted alone.
            let at_edge = self.segments.iter().any(|segment| segment.first == gap.first);
            match merged.last_mut() {
                Some(before)
                    if !at_edge && before.reason == gap.reason && before.last.next() == gap.first =>
                {
                    before.last = gap.last;
                    before.readings += gap.readings;
                }
                _ => merged.push(gap),
            }
        }
        self.state.gaps = merged;
    }

    /// Returns the segments that the hub has whole; the active one stays.
    pub(super) fn take_confirmed(&mut self) -> Vec<SegmentInfo> {
        let mut confirmed = Vec::new();
        while self.segments.len() > 1 && self.segments[0].last <= self.state.confirmed {
            confirmed.extend(self.segments.pop_front());
        }
        confirmed
    }

    /// Returns the last number of the gap that holds `number`, if one does.
    pub(super) fn gap_end(&self, number: CommitNumber) -> Option<CommitNumber> {
        self.state.gaps.iter().find(|gap| (gap.first..=gap.last).contains(&number)).map(|gap| gap.last)
    }

    /// Returns what to declare for `first..=last`, none of which comes: the known gaps, and between them what was
    /// trimmed in an earlier life of the hub.
    pub(super) fn declare(&self, first: CommitNumber, last: CommitNumber) -> Vec<Gap> {
        let mut declared = Vec::new();
        let mut next = first;
        for gap in self.state.gaps.iter().filter(|gap| gap.last >= first && gap.first <= last) {
            if next < gap.first {
                declared.push(trimmed(next, gap.first.previous()));
            }
            declared.push(Gap { first: gap.first.max(first), last: gap.last.min(last), ..*gap });
            next = gap.last.next();
        }
        if next <= last {
            declared.push(trimmed(next, last));
        }
        declared
    }

    /// Returns the segment that may hold `number` or, failing that, the next one with commits after it.
    pub(super) fn segment_at(&self, number: CommitNumber) -> Option<&SegmentInfo> {
        self.segments.iter().find(|segment| segment.last >= number && segment.last >= segment.first)
    }

    pub(super) fn oldest_buffered_at(&self) -> Option<TimestampMicros> {
        let unconfirmed = |segment: &&SegmentInfo| segment.last > self.state.confirmed;
        let oldest = self.segments.iter().find(unconfirmed)?.oldest_received_at;
        oldest.max(self.confirmed_received_at)
    }
}

const fn trimmed(first: CommitNumber, last: CommitNumber) -> Gap {
    Gap { first, last, readings: 0, reason: GapReason::TrimmedEarlier }
}
