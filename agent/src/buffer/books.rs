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
use penstock_shared::report::{MAX_MISSING, MissingSpan, RecordCounts};
use serde::{Deserialize, Serialize};

use super::entry::Totals;
use super::express::{Express, Lane, Span};

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
    /// Whether it is in its frozen form; the directory itself tells.
    #[serde(skip)]
    pub(super) is_frozen: bool,
}

impl SegmentInfo {
    fn span(&self) -> Span {
        Span {
            first: self.first,
            readings_before: self.readings_before,
            last: self.last,
            readings_through: self.end.readings,
        }
    }
}

/// What must survive a crash beside the commits themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct BooksState {
    pub(super) epoch: Epoch,
    /// The last commit and totals when this was written; commits may have followed since.
    pub(super) last: CommitNumber,
    pub(super) totals: Totals,
    /// The last commit up to which the hub has confirmed all, by whichever lane, and C there.
    pub(super) confirmed: CommitNumber,
    pub(super) confirmed_readings: u64,
    pub(super) stored: u64,
    pub(super) evicted: u64,
    pub(super) refused: u64,
    /// Runs after `confirmed` that will never be sent, oldest first, none touching another of its reason.
    pub(super) gaps: Vec<Gap>,
    /// What overtook the backlog.
    pub(super) express: Express,
    /// The newest spans of which readings were lost, oldest first.
    pub(super) missing: Vec<MissingSpan>,
}

/// The books of one buffer.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) state: BooksState,
    /// The segments on disk, oldest first; the last one is the active one.
    pub(super) segments: VecDeque<SegmentInfo>,
    /// When the last confirmed commit arrived: what still waits arrived no earlier.
    confirmed_received_at: Option<TimestampMicros>,
    /// The same for the express lane.
    express_received_at: Option<TimestampMicros>,
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
            express: Express::default(),
            missing: Vec::new(),
        }
    }
}

impl Books {
    pub(super) fn new(state: BooksState) -> Self {
        Self { state, segments: VecDeque::new(), confirmed_received_at: None, express_received_at: None }
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

    /// Returns the last commit that the hub has confirmed of a lane, and C there.
    pub(super) fn confirmed(&self, lane: Lane) -> (CommitNumber, u64) {
        match (lane, self.state.express.open_run()) {
            (Lane::Express, Some(run)) => (run.through, run.readings_through),
            _ => (self.state.confirmed, self.state.confirmed_readings),
        }
    }

    /// Takes note that the hub has everything of a lane through `through`, where C is `readings_through`.
    ///
    /// `sent` are the commits of the batch in flight: where the quota evicted one of them meanwhile, it turns out to
    /// be stored after all.
    pub(super) fn confirm(
        &mut self,
        lane: Lane,
        through: CommitNumber,
        readings_through: u64,
        sent: &[SentCommit],
    ) {
        let (confirmed, confirmed_readings) = self.confirmed(lane);
        let is_over = lane == Lane::Express && self.state.express.open_run().is_none();
        if through <= confirmed || is_over {
            return;
        }
        for commit in sent.iter().filter(|commit| commit.number <= through) {
            self.rescue(commit);
            match lane {
                Lane::Main => self.confirmed_received_at = Some(commit.received_at),
                Lane::Express => self.express_received_at = Some(commit.received_at),
            }
        }
        let overtaken = match lane {
            Lane::Main => self.state.express.readings_between(confirmed, through),
            Lane::Express => 0,
        };
        let passed = readings_through.saturating_sub(confirmed_readings).saturating_sub(overtaken);
        let came = sent.iter().filter(|commit| commit.number > confirmed && commit.number <= through);
        let came = came.map(|commit| u64::from(commit.readings)).sum();
        self.state.stored +=
            passed.saturating_sub(self.take_gaps(lane, confirmed, through, passed.saturating_sub(came)));
        match lane {
            Lane::Main => {
                self.state.confirmed = through;
                self.state.confirmed_readings = readings_through;
            }
            Lane::Express => self.state.express.confirm(through, readings_through),
        }
        self.join_express();
    }

    /// Drops a lane's gaps through `through`, and returns how many readings lay in them. Of a gap that goes on behind it
    /// that is what came neither, of `absent` in all: segments that were evicted before the batch was read and while it
    /// was on its way are one gap.
    fn take_gaps(&mut self, lane: Lane, confirmed: CommitNumber, through: CommitNumber, absent: u64) -> u64 {
        let mut in_gaps = 0;
        let express = &self.state.express;
        self.state.gaps.retain_mut(|gap| {
            let passed = gap.first > confirmed && gap.first <= through;
            if !passed || express.lane_of(gap.first).0 != lane {
                return true;
            }
            if gap.last <= through {
                in_gaps += gap.readings;
                return false;
            }
            let before = absent.saturating_sub(in_gaps).min(gap.readings);
            in_gaps += before;
            gap.readings -= before;
            gap.first = through.next();
            true
        });
        in_gaps
    }

    /// Moves on over what the express lane has confirmed, where it follows.
    fn join_express(&mut self) {
        while let Some((through, readings_through)) = self.state.express.join(self.state.confirmed) {
            self.state.confirmed = through;
            self.state.confirmed_readings = readings_through;
            self.confirmed_received_at = self.confirmed_received_at.max(self.express_received_at);
        }
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
        let place = self.place_of(first)?;
        let segment = self.segments.remove(place)?;
        self.lose(segment.span(), reason);
        Some(segment)
    }

    /// Remembers when readings of a segment that are lost had arrived.
    pub(super) fn note_missing(&mut self, segment: &SegmentInfo, readings: u64, reason: GapReason) {
        let Some(oldest) = segment.oldest_received_at.filter(|_| readings > 0) else { return };
        let following = self.segments.iter().find(|other| other.first > segment.last);
        let to = following.and_then(|other| other.oldest_received_at).unwrap_or_else(TimestampMicros::now);
        let from = self.confirmed_received_at.map_or(oldest, |confirmed| confirmed.max(oldest)).min(to);
        let missing = &mut self.state.missing;
        match missing.last_mut().filter(|last| last.reason == reason && last.to >= from && last.from <= from)
        {
            Some(last) => {
                last.to = last.to.max(to);
                last.readings += readings;
            }
            None => missing.push(MissingSpan { from, to, readings, reason }),
        }
        let surplus = missing.len().saturating_sub(MAX_MISSING);
        missing.drain(..surplus);
    }

    /// Returns C before a commit behind which nothing is on the disk, as far as the books know: behind the last commit
    /// of which C is known come only gaps.
    pub(super) fn readings_known_before(&self, number: CommitNumber) -> u64 {
        let on_disk = self.segments.iter().rev().find(|segment| segment.first < number);
        let (after, readings) = [
            Some((self.state.confirmed, self.state.confirmed_readings)),
            on_disk.map(|segment| (segment.last, segment.end.readings)),
            self.state.express.confirmed_before(number),
        ]
        .into_iter()
        .flatten()
        .filter(|(through, _)| *through < number)
        .max()
        .unwrap_or_default();
        let gaps = self.state.gaps.iter().filter(|gap| gap.first > after && gap.last < number);
        (readings + gaps.map(|gap| gap.readings).sum::<u64>()).min(self.state.totals.readings)
    }

    /// Declares what is not confirmed of a span as never coming.
    pub(super) fn lose(&mut self, span: Span, reason: GapReason) {
        let span = Span {
            first: span.first.max(self.state.confirmed.next()),
            readings_before: span.readings_before.max(self.state.confirmed_readings),
            ..span
        };
        for part in self.state.express.unconfirmed(span) {
            let readings = part.readings_through.saturating_sub(part.readings_before);
            self.lose_run(part.first, part.last, readings, reason);
        }
    }

    /// Declares `first..=last`, of one lane and not confirmed, as never coming. They held `readings`.
    pub(super) fn lose_run(
        &mut self,
        first: CommitNumber,
        last: CommitNumber,
        readings: u64,
        reason: GapReason,
    ) {
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
            GapReason::Evicted
            | GapReason::Quarantined
            | GapReason::TrimmedEarlier
            | GapReason::OtherLane => self.state.evicted += fresh,
        }
        self.insert_gap(Gap { first, last, readings: readings.max(counted), reason });
    }

    fn insert_gap(&mut self, gap: Gap) {
        let place = self.state.gaps.partition_point(|other| other.first < gap.first);
        self.state.gaps.insert(place, gap);
        let mut merged: Vec<Gap> = Vec::with_capacity(self.state.gaps.len());
        for gap in std::mem::take(&mut self.state.gaps) {
            // A gap never reaches across the edge of a segment that is still there: the segment may be evicted alone.
            // Nor across the lanes, each of which declares its own.
            let at_edge = self.place_of(gap.first).is_some()
                || self.state.express.lane_of(gap.first.previous()).0
                    != self.state.express.lane_of(gap.first).0
                || self.state.express.begins_at(gap.first);
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

    /// Returns whether commits wait in the main lane that the express lane overtakes.
    pub(super) fn has_backlog(&self) -> bool {
        let Some(run) = self.state.express.open_run() else { return false };
        let mut next = self.state.confirmed.next();
        while let Some(end) = self.gap_end(next) {
            next = end.next();
        }
        next < run.first
    }

    /// Returns the last number of the gap that holds `number`, if one does.
    pub(super) fn gap_end(&self, number: CommitNumber) -> Option<CommitNumber> {
        self.state.gaps.iter().find(|gap| (gap.first..=gap.last).contains(&number)).map(|gap| gap.last)
    }

    pub(super) fn oldest_buffered_at(&self) -> Option<TimestampMicros> {
        let unconfirmed = |segment: &&SegmentInfo| segment.last > self.state.confirmed;
        let oldest = self.segments.iter().find(unconfirmed)?.oldest_received_at;
        oldest.max(self.confirmed_received_at)
    }
}
