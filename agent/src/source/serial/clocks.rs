//! When something is due on an open port. Pure: it is told the time.

use std::time::{Duration, Instant};

use crate::config::SerialSettings;

/// A line that is silent for this long is at the end of what it had to say; a slow one has a character every 200 ms.
const SETTLE: Duration = Duration::from_millis(250);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The line fell silent after some bytes.
    Settle,
    /// What is incomplete will not be completed.
    Gap,
    /// Nothing came for so long that the port may hang.
    Idle,
    /// The instrument must be asked.
    Poll,
    /// The answer has not come.
    Unanswered,
}

#[derive(Debug)]
pub(super) struct Clocks {
    gap: Option<Duration>,
    idle: Option<Duration>,
    interval: Duration,
    answer_timeout: Duration,
    heard: Instant,
    settled: bool,
    gone: bool,
    poll_at: Option<Instant>,
    answer_until: Option<Instant>,
}

impl Clocks {
    pub(super) fn new(settings: &SerialSettings, now: Instant) -> Self {
        let poll = settings.poll.as_ref();
        Self {
            gap: settings.gap,
            idle: settings.idle,
            interval: poll.map_or(Duration::MAX, |poll| poll.interval),
            answer_timeout: poll.map_or(Duration::MAX, |poll| poll.timeout),
            heard: now,
            settled: true,
            gone: true,
            poll_at: poll.map(|_| now),
            answer_until: None,
        }
    }

    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.settled = false;
        self.gone = false;
    }

    pub(super) fn asked(&mut self, now: Instant) {
        self.answer_until = Some(now + self.answer_timeout);
    }

    pub(super) const fn answered(&mut self) {
        self.answer_until = None;
    }

    /// Tells whether an answer is waited for.
    pub(super) const fn is_asking(&self) -> bool {
        self.answer_until.is_some()
    }

    /// Returns when something is due next, and what; none waits for bytes alone.
    pub(super) fn next(&self) -> Option<(Instant, Due)> {
        let silent_for = |wait: Option<Duration>| wait.map(|wait| self.heard + wait);
        [
            (silent_for(Some(SETTLE).filter(|_| !self.settled)), Due::Settle),
            (silent_for(self.gap.filter(|_| !self.gone)), Due::Gap),
            (silent_for(self.idle), Due::Idle),
            // The next question waits for the answer to the last, or for its deadline.
            (self.poll_at.filter(|_| self.answer_until.is_none()), Due::Poll),
            (self.answer_until, Due::Unanswered),
        ]
        .into_iter()
        .filter_map(|(at, due)| Some((at?, due)))
        .min_by_key(|(at, _)| *at)
    }

    /// Notes that what was due is done.
    pub(super) fn done(&mut self, due: Due, now: Instant) {
        match due {
            Due::Settle => self.settled = true,
            Due::Gap => self.gone = true,
            Due::Idle => self.heard = now,
            Due::Unanswered => self.answer_until = None,
            Due::Poll => {
                // Questions that were missed while the disk was waited for are not made up for.
                let next = self.poll_at.unwrap_or(now) + self.interval;
                self.poll_at = Some(if next > now { next } else { now + self.interval });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::serial::PollSettings;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_question_waits_for_the_answer_to_the_last_and_keeps_its_interval() {
        let settings = SerialSettings {
            poll: Some(PollSettings { send: vec![63], interval: SECOND, timeout: SECOND * 5 }),
            ..SerialSettings::default()
        };
        let start = Instant::now();
        let mut clocks = Clocks::new(&settings, start);
        assert_eq!(clocks.next(), Some((start, Due::Poll)));
        clocks.done(Due::Poll, start);
        clocks.asked(start);
        assert_eq!(clocks.next(), Some((start + SECOND * 5, Due::Unanswered)));
        clocks.answered();
        assert_eq!(clocks.next(), Some((start + SECOND, Due::Poll)));
        clocks.done(Due::Poll, start + SECOND * 4);
        assert_eq!(clocks.next(), Some((start + SECOND * 5, Due::Poll)), "missed ones are not made up for");
    }

    #[test]
    fn silence_settles_then_drops_then_reopens() {
        let settings =
            SerialSettings { gap: Some(SECOND), idle: Some(SECOND * 9), ..SerialSettings::default() };
        let start = Instant::now();
        let mut clocks = Clocks::new(&settings, start);
        assert_eq!(clocks.next(), Some((start + SECOND * 9, Due::Idle)));
        clocks.heard(start + SECOND);
        let mut order = Vec::new();
        while order.len() < 3 {
            let (at, due) = clocks.next().expect("something is due");
            clocks.done(due, at);
            order.push((at - start, due));
        }
        let expected = [(SECOND + SETTLE, Due::Settle), (SECOND * 2, Due::Gap), (SECOND * 10, Due::Idle)];
        assert_eq!(order, expected);
    }
}
