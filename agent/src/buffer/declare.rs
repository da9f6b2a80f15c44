//! What the books declare of commits that never come. Pure.

use penstock_shared::batch::{Gap, GapReason};
use penstock_shared::id::CommitNumber;

use super::books::Books;
use super::express::{Lane, Span};

impl Books {
    /// Returns what a lane declares for `first..=last`, none of which comes in it: the known gaps, what goes by the
    /// other lane, and between them what was trimmed in an earlier life of the hub.
    pub(super) fn declare(&self, lane: Lane, first: CommitNumber, last: CommitNumber) -> Vec<Gap> {
        let mut declared = Vec::new();
        let mut next = first;
        while next <= last {
            let (of, end) = self.state.express.lane_of(next);
            let end = end.min(last);
            if of == lane {
                self.declare_own(next, end, &mut declared);
            } else {
                declared.push(Gap { first: next, last: end, readings: 0, reason: GapReason::OtherLane });
            }
            next = end.next();
        }
        declared
    }

    fn declare_own(&self, first: CommitNumber, last: CommitNumber, declared: &mut Vec<Gap>) {
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
    }

    /// Returns the runs within `first..=last` that are neither confirmed nor a known gap, and how many readings C
    /// tells of the others between `readings_before` and `readings_through`.
    pub(super) fn unknown_in(&self, span: Span) -> (Vec<(CommitNumber, CommitNumber)>, u64) {
        let span = Span {
            first: span.first.max(self.state.confirmed.next()),
            readings_before: span.readings_before.max(self.state.confirmed_readings),
            ..span
        };
        let (mut unknown, mut readings) = (Vec::new(), 0);
        for part in self.state.express.unconfirmed(span) {
            let mut declared = Vec::new();
            self.declare_own(part.first, part.last, &mut declared);
            let trimmed = |gap: &&Gap| gap.reason == GapReason::TrimmedEarlier;
            unknown.extend(declared.iter().filter(trimmed).map(|gap| (gap.first, gap.last)));
            let known: u64 = declared.iter().filter(|gap| !trimmed(gap)).map(|gap| gap.readings).sum();
            readings += part.readings_through.saturating_sub(part.readings_before).saturating_sub(known);
        }
        (unknown, readings)
    }
}

const fn trimmed(first: CommitNumber, last: CommitNumber) -> Gap {
    Gap { first, last, readings: 0, reason: GapReason::TrimmedEarlier }
}
