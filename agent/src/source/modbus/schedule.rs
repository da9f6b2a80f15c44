//! Whose turn it is on the bus, and which slave is left out because it does not answer. Pure: it is told the time.

use std::time::{Duration, Instant};

use penstock_shared::backoff::Backoff;

/// After so many rounds without an answer, one after the other, a slave is left out.
const MAX_SILENT_ROUNDS: u32 = 3;
/// A try at a slave that is left out costs the bus one timeout, and so at most a twentieth of its time.
const PAUSE_TIMEOUTS: u32 = 20;

#[derive(Debug)]
pub(super) struct Schedule {
    turns: Vec<Turn>,
}

#[derive(Debug)]
struct Turn {
    due: Instant,
    interval: Duration,
    silent_rounds: u32,
    backoff: Backoff,
}

impl Schedule {
    /// Everyone is due at once, then every interval.
    pub(super) fn new(
        intervals: impl IntoIterator<Item = Duration>,
        timeout: Duration,
        backoff_max: Duration,
        now: Instant,
    ) -> Self {
        let turn = |interval: Duration| Turn {
            due: now,
            interval,
            silent_rounds: 0,
            backoff: Backoff::new((timeout * PAUSE_TIMEOUTS).max(interval), backoff_max.max(interval)),
        };
        Self { turns: intervals.into_iter().map(turn).collect() }
    }

    /// Returns whose turn is next, and when; none when there is nobody.
    pub(super) fn next(&self) -> Option<(Instant, usize)> {
        self.turns.iter().enumerate().map(|(index, turn)| (turn.due, index)).min()
    }

    /// Notes that a slave answered. Tells whether it had been left out.
    pub(super) fn answered(&mut self, index: usize, now: Instant) -> bool {
        let Some(turn) = self.turns.get_mut(index) else { return false };
        let was_left_out = turn.silent_rounds >= MAX_SILENT_ROUNDS;
        turn.silent_rounds = 0;
        turn.backoff.reset();
        turn.advance(now);
        was_left_out
    }

    /// Notes that a slave did not answer; `dice` is uniform in 0..1. Tells whether it is left out from now on.
    pub(super) fn silent(&mut self, index: usize, now: Instant, dice: f64) -> bool {
        let Some(turn) = self.turns.get_mut(index) else { return false };
        turn.silent_rounds = turn.silent_rounds.saturating_add(1);
        if turn.silent_rounds < MAX_SILENT_ROUNDS {
            turn.advance(now);
            return false;
        }
        turn.due = now + turn.backoff.next_delay(dice);
        turn.silent_rounds == MAX_SILENT_ROUNDS
    }
}

impl Turn {
    /// Goes on in step; turns that were missed are not made up for.
    fn advance(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.due);
        let missed = late.as_nanos() / self.interval.as_nanos().max(1);
        let steps = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
        self.due = self.due.checked_add(self.interval.saturating_mul(steps)).unwrap_or(now + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMEOUT: Duration = Duration::from_millis(500);

    #[test]
    fn each_slave_keeps_its_step_and_missed_turns_are_not_made_up_for() {
        let start = Instant::now();
        let mut schedule = Schedule::new([SECOND, SECOND * 3], TIMEOUT, SECOND * 30, start);
        assert_eq!(schedule.next(), Some((start, 0)));
        schedule.answered(0, start + TIMEOUT / 5);
        assert_eq!(schedule.next(), Some((start, 1)));
        schedule.answered(1, start + TIMEOUT / 2);
        assert_eq!(schedule.next(), Some((start + SECOND, 0)));
        schedule.answered(0, start + SECOND * 9 / 2);
        assert_eq!(schedule.next(), Some((start + SECOND * 3, 1)));
        schedule.answered(1, start + SECOND * 9 / 2);
        assert_eq!(schedule.next(), Some((start + SECOND * 5, 0)));
    }

    #[test]
    fn a_slave_that_fails_three_times_in_a_row_is_left_out_ever_longer_until_it_answers() {
        let start = Instant::now();
        let mut schedule = Schedule::new([SECOND], TIMEOUT, SECOND * 30, start);
        let mut pauses = Vec::new();
        let mut told = Vec::new();
        let mut now = start;
        for _ in 0..6 {
            told.push(schedule.silent(0, now, 1.0));
            let (due, _) = schedule.next().expect("one slave");
            pauses.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(pauses, [1, 1, 10, 20, 30, 30]);
        assert_eq!(told, [false, false, true, false, false, false], "said once");
        assert!(schedule.answered(0, now));
        assert_eq!(schedule.next(), Some((now + SECOND, 0)));
        assert!(!schedule.answered(0, now + SECOND));
    }

    #[test]
    fn an_answer_between_timeouts_keeps_a_slave_in() {
        let start = Instant::now();
        let mut schedule = Schedule::new([SECOND], TIMEOUT, SECOND * 30, start);
        for round in 0..9 {
            let now = start + SECOND * round;
            let left_out =
                if round % 3 == 2 { schedule.answered(0, now) } else { schedule.silent(0, now, 1.0) };
            assert!(!left_out);
            assert_eq!(schedule.next(), Some((now + SECOND, 0)));
        }
    }
}
