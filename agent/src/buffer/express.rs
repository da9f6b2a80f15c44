//! The express lane: the commits that overtook a backlog, so that live data comes first after an outage. Pure.
//!
//! ```text
//! main     1 ──────▶ confirmed ┄┄┄ backlog ┄┄┄ first - 1              through + 1 ──▶
//! express                                     first ──▶ through
//! ```
//!
//! At the hub each lane is an epoch of its own, with its own order, its own deduplication and its own watermark. Every
//! commit belongs to one lane for ever: to the express lane within a run, to the main one elsewhere. A run begins
//! behind everything that was ever sent, and ends with what is confirmed of it, when the main lane has caught up.

use penstock_shared::id::CommitNumber;
use serde::{Deserialize, Serialize};

/// Runs kept at once; while there are so many nothing overtakes.
const MAX_RUNS: usize = 32;
/// Where a run without an end ends.
const NO_END: CommitNumber = CommitNumber(u64::MAX);

/// The way that a commit takes to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Oldest first.
    Main,
    /// Past the backlog.
    Express,
}

/// Commits on the disk, with C before the first and through the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: CommitNumber,
    pub(super) readings_before: u64,
    pub(super) last: CommitNumber,
    pub(super) readings_through: u64,
}

/// A run of the express lane; confirmed as far as `through`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExpressRun {
    pub(super) first: CommitNumber,
    /// C before `first`.
    pub(super) readings_before: u64,
    /// The last confirmed commit; the one before `first` while there is none.
    pub(super) through: CommitNumber,
    /// C through it.
    pub(super) readings_through: u64,
    /// Whether what follows `through` is of the run too.
    pub(super) open: bool,
}

impl ExpressRun {
    const fn end(&self) -> CommitNumber {
        if self.open { NO_END } else { self.through }
    }

    const fn readings(&self) -> u64 {
        self.readings_through - self.readings_before
    }
}

/// The runs that may still matter, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Express {
    runs: Vec<ExpressRun>,
}

impl Express {
    /// Returns the lane of a commit, and the last commit up to which all are of this lane.
    pub(super) fn lane_of(&self, number: CommitNumber) -> (Lane, CommitNumber) {
        for run in &self.runs {
            if number < run.first {
                return (Lane::Main, run.first.previous());
            }
            if number <= run.end() {
                return (Lane::Express, run.end());
            }
        }
        (Lane::Main, NO_END)
    }

    /// Returns the run that the commits of the present moment belong to.
    pub(super) fn open_run(&self) -> Option<&ExpressRun> {
        self.runs.last().filter(|run| run.open)
    }

    /// Tells whether a run begins with this commit.
    pub(super) fn begins_at(&self, number: CommitNumber) -> bool {
        self.runs.iter().any(|run| run.first == number)
    }

    /// Begins a run before which C is `readings_before`, and ends the one before it; false, and nothing changes, when
    /// there are too many, or nothing of the one before is confirmed: what is new would move on before it, again and
    /// again.
    pub(super) fn open(&mut self, first: CommitNumber, readings_before: u64) -> bool {
        let is_fresh = self.open_run().is_some_and(|run| run.through < run.first);
        if is_fresh || self.runs.len() >= MAX_RUNS {
            return false;
        }
        self.close();
        let through = first.previous();
        let readings_through = readings_before;
        self.runs.push(ExpressRun { first, readings_before, through, readings_through, open: true });
        true
    }

    /// Ends the open run with what is confirmed of it: the rest is the main lane's.
    pub(super) fn close(&mut self) {
        if let Some(run) = self.runs.last_mut() {
            run.open = false;
        }
        self.runs.retain(|run| run.first <= run.through);
    }

    /// Moves the open run's confirmation.
    pub(super) fn confirm(&mut self, through: CommitNumber, readings_through: u64) {
        if let Some(run) = self.runs.last_mut().filter(|run| run.open) {
            run.through = through;
            run.readings_through = readings_through;
        }
    }

    /// Forgets runs that the main lane has passed and of which nothing is on the disk: only there could a commit be
    /// sent by the wrong lane.
    pub(super) fn forget_before(&mut self, oldest_on_disk: CommitNumber, confirmed: CommitNumber) {
        self.runs.retain(|run| run.open || run.through >= oldest_on_disk || run.through > confirmed);
    }

    /// Returns the last confirmed commit of the express lane, as far as it is remembered.
    pub(super) fn confirmed(&self) -> CommitNumber {
        self.confirmed_before(NO_END).map_or(CommitNumber::NONE, |(through, _)| through)
    }

    /// Returns the last commit before `number` that was confirmed in a run, and C there.
    pub(super) fn confirmed_before(&self, number: CommitNumber) -> Option<(CommitNumber, u64)> {
        let runs = self.runs.iter().rev().filter(|run| run.first <= run.through);
        runs.map(|run| (run.through, run.readings_through)).find(|(through, _)| *through < number)
    }

    /// Tells whether all of these commits were confirmed in one run.
    pub(super) fn has(&self, first: CommitNumber, last: CommitNumber) -> bool {
        self.runs.iter().any(|run| run.first <= first && last <= run.through)
    }

    /// Returns how many readings were confirmed in runs between `after` and `through`.
    pub(super) fn readings_between(&self, after: CommitNumber, through: CommitNumber) -> u64 {
        let between = |run: &&ExpressRun| run.first > after && run.through <= through;
        self.runs.iter().filter(between).map(ExpressRun::readings).sum()
    }

    /// Returns how far what is confirmed without a gap reaches, and C there, when it reaches `confirmed` otherwise.
    pub(super) fn join(&self, confirmed: CommitNumber) -> Option<(CommitNumber, u64)> {
        let joins = |run: &&ExpressRun| run.first <= confirmed.next() && run.through > confirmed;
        self.runs.iter().find(joins).map(|run| (run.through, run.readings_through))
    }

    /// Cuts what is confirmed out of a span; no part crosses from one lane into the other.
    pub(super) fn unconfirmed(&self, span: Span) -> Vec<Span> {
        let mut parts = Vec::new();
        let (mut at, mut before) = (span.first, span.readings_before);
        for run in
            self.runs.iter().filter(|run| run.through >= span.first.previous() && run.first <= span.last)
        {
            if at < run.first {
                let readings_through = run.readings_before;
                let last = run.first.previous();
                parts.push(Span { first: at, readings_before: before, last, readings_through });
            }
            at = at.max(run.through.next());
            before = before.max(run.readings_through);
        }
        if at <= span.last {
            parts.push(Span { first: at, readings_before: before, ..span });
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> CommitNumber {
        CommitNumber(number)
    }

    /// Ten readings a commit: 5 to 7 went by express, and everything from 12 on does, confirmed through 14.
    fn express() -> Express {
        let mut express = Express::default();
        assert!(express.open(number(5), 40));
        express.confirm(number(7), 70);
        assert!(express.open(number(12), 110));
        express.confirm(number(14), 140);
        express
    }

    fn span(first: u64, last: u64) -> Span {
        Span {
            first: number(first),
            readings_before: (first - 1) * 10,
            last: number(last),
            readings_through: last * 10,
        }
    }

    #[test]
    fn every_commit_is_of_one_lane() {
        let express = express();
        let lanes = [(1, Lane::Main, 4), (5, Lane::Express, 7), (8, Lane::Main, 11)];
        for (at, lane, end) in lanes {
            assert_eq!(express.lane_of(number(at)), (lane, number(end)), "{at}");
            assert_eq!(express.lane_of(number(end)), (lane, number(end)), "{end}");
        }
        assert_eq!(express.lane_of(number(15)), (Lane::Express, NO_END));
    }

    #[test]
    fn a_closed_run_leaves_what_follows_to_the_main_lane() {
        let mut express = express();
        express.close();
        assert_eq!(express.lane_of(number(14)), (Lane::Express, number(14)));
        assert_eq!(express.lane_of(number(15)), (Lane::Main, NO_END));
        assert!(express.open(number(20), 190));
        express.close();
        assert_eq!(express.lane_of(number(20)), (Lane::Main, NO_END));
    }

    #[test]
    fn what_is_confirmed_is_cut_out_of_a_span() {
        let express = express();
        assert_eq!(express.unconfirmed(span(1, 20)), [span(1, 4), span(8, 11), span(15, 20)]);
        assert_eq!(express.unconfirmed(span(5, 7)), []);
        assert_eq!(express.unconfirmed(span(6, 9)), [span(8, 9)]);
        assert_eq!(express.unconfirmed(span(13, 14)), []);
    }

    #[test]
    fn a_span_is_cut_where_an_open_run_begins_though_nothing_of_it_is_confirmed() {
        let mut express = Express::default();
        assert!(express.open(number(5), 40));
        assert_eq!(express.unconfirmed(span(1, 9)), [span(1, 4), span(5, 9)]);
    }

    #[test]
    fn too_many_runs_leave_things_as_they_are() {
        let mut express = Express::default();
        for run in 0..MAX_RUNS as u64 {
            assert!(express.open(number(10 * run + 5), 0));
            express.confirm(number(10 * run + 7), 0);
        }
        let before = express.clone();
        assert!(!express.open(number(100_000), 0));
        assert_eq!(express, before);
        express.forget_before(number(9), number(6));
        assert!(!express.open(number(100_000), 0), "the main lane has not passed the oldest run");
        express.forget_before(number(9), number(9));
        assert!(express.open(number(100_000), 0));
        assert!(!express.open(number(100_001), 0), "nothing of the open run is confirmed");
    }

    #[test]
    fn a_run_joins_what_is_confirmed_before_it() {
        let express = express();
        assert_eq!(express.join(number(3)), None);
        assert_eq!(express.join(number(4)), Some((number(7), 70)));
        assert_eq!(express.join(number(12)), Some((number(14), 140)));
        assert_eq!(express.join(number(14)), None);
        assert_eq!(express.readings_between(number(4), number(11)), 30);
    }
}
