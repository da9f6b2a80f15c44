//! What the forwarder decides, without doing it: when to seal, how much, and what an answer means.
//!
//! Pure: it takes the present moment and an event, and returns an action. Sending, sleeping and disk are the shell's.

use std::time::{Duration, Instant};

use penstock_shared::backoff::Backoff;
use penstock_shared::frame::MAX_FRAME_COMMITS;
use penstock_shared::id::CommitNumber;

use super::settings::ForwardSettings;
use crate::buffer::{LaneStart, ReadLimits};

/// More readings than this never stand in one batch: the frame's own bound.
const READINGS_CAP: usize = penstock_shared::frame::MAX_FRAME_READINGS;
/// Far below what a frame may hold: while a batch is sent the next one is in memory in several forms.
const TEXT_BYTES_CAP: usize = 512 << 10;
/// So many full batches behind is far behind.
const FAR_BEHIND_BATCHES: usize = 2;
/// A hub that asks for a longer pause is asked again after this one.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The longest pause before another attempt to connect: it costs a hub little, and live data waits for it.
pub(super) const RECONNECT_CAP: Duration = Duration::from_secs(1);

/// So many commits in a row are set aside without a pause; more mean that the hub refuses everything, for a reason
/// that an operator can cure.
const SET_ASIDE_AT_ONCE: u32 = 3;

/// What came of sending one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The hub has everything through this commit.
    Have(CommitNumber),
    /// The hub has everything through this commit, and the frame does not follow it.
    Gap(CommitNumber),
    /// The hub will never accept the frame.
    Refused(String),
    /// The frame is too large for the hub or something before it.
    TooLarge,
    /// The hub does not accept the token.
    Unauthorized(u16),
    /// The hub asks to come back later.
    Later(Option<Duration>),
    /// No answer came: there is no connection, or there is none any more.
    Unreachable(String),
    /// No answer that can be understood: what became of the frame is unknown.
    Failed(String),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Book `through` as confirmed and go on behind it.
    Confirm(CommitNumber),
    /// Go back, or on, to the commit behind this one.
    Repack(CommitNumber),
    /// Send fewer commits at once.
    Shrink,
    /// Set the batch's only commit aside with this reason, and go on behind it.
    SetAside(&'static str, String),
    /// Send the same again after a pause.
    Pause {
        /// How long.
        delay: Duration,
        /// What to tell the operator.
        fault: String,
    },
}

/// Whether it is time to seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seal {
    /// Nothing waits.
    Nothing,
    /// Something waits, and may gather company until then.
    At(Instant),
    /// Seal now.
    Now,
}

/// The forwarder's memory.
#[derive(Debug)]
pub(super) struct Core {
    batch_readings: usize,
    catch_up_readings: usize,
    linger: Duration,
    backoff: Backoff,
    backoff_max: Duration,
    /// The first commit that was not sent and answered.
    pub(super) next: CommitNumber,
    /// How many readings were ever committed before `next`.
    pub(super) readings_before: u64,
    /// Since when something may wait; none when nothing does.
    waiting_since: Option<Instant>,
    most_commits: usize,
    /// Whether the last batch left out what it had no room for, which has waited already.
    was_cut: bool,
    /// Commits set aside since the hub last took one.
    set_aside: u32,
    /// Whether the present commit was refused, and sent again after a pause.
    doubted: bool,
}

impl Core {
    pub(super) fn new(settings: &ForwardSettings, start: LaneStart) -> Self {
        Self {
            batch_readings: settings.batch_readings,
            catch_up_readings: settings.catch_up_readings.max(settings.batch_readings),
            linger: settings.linger,
            backoff: Backoff::new(settings.backoff_min, settings.backoff_max),
            backoff_max: settings.backoff_max,
            next: start.next,
            readings_before: start.readings_before,
            waiting_since: None,
            most_commits: MAX_FRAME_COMMITS,
            was_cut: false,
            set_aside: 0,
            doubted: false,
        }
    }

    /// Tells whether a batch is due, with `newest` being on the disk and `readings` ever committed up to it.
    pub(super) fn seal(&mut self, newest: CommitNumber, readings: u64, now: Instant) -> Seal {
        if newest < self.next {
            self.waiting_since = None;
            return Seal::Nothing;
        }
        let since = *self.waiting_since.get_or_insert(now);
        let due = since + self.linger;
        let is_due = self.was_cut || self.waiting(readings) >= self.batch_readings || now >= due;
        if is_due { Seal::Now } else { Seal::At(due) }
    }

    /// Returns how much the next batch may hold: more while there is a backlog.
    pub(super) fn limits(&self, readings: u64) -> ReadLimits {
        let behind = self.waiting(readings) >= 2 * self.batch_readings;
        ReadLimits {
            readings: if behind { self.catch_up_readings } else { self.batch_readings },
            readings_cap: READINGS_CAP,
            text_bytes_cap: TEXT_BYTES_CAP,
            commits: self.most_commits,
        }
    }

    /// Notes that a batch was sealed: what arrives from now on waits for the next one.
    pub(super) fn sealed(&mut self, now: Instant) {
        self.waiting_since = Some(now);
        self.was_cut = false;
    }

    /// Notes that the batch had no room for all that waited.
    pub(super) fn cut(&mut self) {
        self.was_cut = true;
    }

    /// Takes note that `readings` in all are on their way already, also by another lane.
    pub(super) fn count_from(&mut self, readings: u64) {
        self.readings_before = readings;
    }

    /// Tells whether so much waits that it would be long before what arrives now is sent.
    pub(super) fn is_far_behind(&self, readings: u64) -> bool {
        self.waiting(readings) >= FAR_BEHIND_BATCHES * self.catch_up_readings
    }

    /// Moves behind a commit.
    pub(super) fn go_behind(&mut self, commit: CommitNumber, readings_through: u64) {
        self.next = commit.next();
        self.readings_before = readings_through;
    }

    fn waiting(&self, readings: u64) -> usize {
        usize::try_from(readings.saturating_sub(self.readings_before)).unwrap_or(usize::MAX)
    }

    /// Says what an outcome for a batch of `commits` commits asks for; `dice` is uniform in 0..1.
    pub(super) fn react(&mut self, outcome: Outcome, commits: usize, dice: f64) -> Action {
        match outcome {
            Outcome::Have(through) | Outcome::Gap(through) if through.next() == self.next => self.pause(
                format!("hub contradicts itself: it asks for commit {} and does not take it", self.next),
                dice,
            ),
            Outcome::Have(through) => {
                self.backoff.reset();
                self.set_aside = 0;
                self.doubted = false;
                self.most_commits = self.most_commits.saturating_mul(2).min(MAX_FRAME_COMMITS);
                Action::Confirm(through)
            }
            Outcome::Gap(through) => {
                self.backoff.reset();
                Action::Repack(through)
            }
            Outcome::Refused(reason) => self.isolate("refused", reason, commits, dice),
            Outcome::TooLarge => {
                self.isolate("too_large", "too large for the hub even alone".to_owned(), commits, dice)
            }
            Outcome::Unauthorized(status) => Action::Pause {
                delay: self.backoff_max,
                fault: format!("hub refuses the token (status {status}): readings wait on disk"),
            },
            Outcome::Later(asked) => {
                let own = self.backoff.next_delay(dice);
                let delay = asked.map_or(own, |asked| asked.min(LONGEST_RETRY_AFTER));
                Action::Pause { delay, fault: "hub asks to come back later".to_owned() }
            }
            Outcome::Unreachable(detail) => Action::Pause {
                delay: self.backoff.next_delay(dice).min(RECONNECT_CAP),
                fault: format!("hub not reached: {detail}"),
            },
            Outcome::Failed(detail) => self.pause(format!("hub not reached: {detail}"), dice),
        }
    }

    /// Halving finds the one commit that is at fault and spares the others.
    fn isolate(&mut self, reason: &'static str, detail: String, commits: usize, dice: f64) -> Action {
        if commits > 1 {
            self.most_commits = commits / 2;
            return Action::Shrink;
        }
        if self.set_aside >= SET_ASIDE_AT_ONCE && !self.doubted {
            self.doubted = true;
            return self.pause(format!("hub refuses one commit after another: {detail}"), dice);
        }
        self.doubted = false;
        self.set_aside += 1;
        Action::SetAside(reason, detail)
    }

    fn pause(&mut self, fault: String, dice: f64) -> Action {
        Action::Pause { delay: self.backoff.next_delay(dice), fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_shared::id::AgentId;

    fn core() -> Core {
        let settings = ForwardSettings::new(AgentId::new("gw").unwrap(), "http://127.0.0.1:1");
        Core::new(&settings, LaneStart { next: CommitNumber(11), readings_before: 500 })
    }

    #[test]
    fn a_batch_is_due_when_it_is_full_or_its_oldest_reading_has_waited() {
        let mut core = core();
        let now = Instant::now();
        assert_eq!(core.seal(CommitNumber(10), 500, now), Seal::Nothing);
        assert_eq!(core.seal(CommitNumber(11), 501, now), Seal::At(now + Duration::from_millis(100)));
        let later = now + Duration::from_millis(60);
        assert_eq!(core.seal(CommitNumber(12), 502, later), Seal::At(now + Duration::from_millis(100)));
        assert_eq!(core.seal(CommitNumber(13), 1500, later), Seal::Now);
        assert_eq!(core.seal(CommitNumber(12), 502, now + Duration::from_millis(100)), Seal::Now);
    }

    #[test]
    fn what_a_batch_had_no_room_for_is_due_at_once() {
        let mut core = core();
        let now = Instant::now();
        core.sealed(now);
        core.cut();
        assert_eq!(core.seal(CommitNumber(12), 502, now), Seal::Now);
        core.sealed(now);
        assert!(matches!(core.seal(CommitNumber(12), 502, now), Seal::At(_)));
    }

    #[test]
    fn a_backlog_is_sent_in_larger_batches() {
        let core = core();
        assert_eq!(core.limits(1500).readings, 1000);
        assert_eq!(core.limits(2500).readings, 8000);
    }

    #[test]
    fn a_refused_batch_is_halved_down_to_the_commit_at_fault() {
        let mut core = core();
        let refused = || Outcome::Refused("bad".into());
        assert_eq!(core.react(refused(), 5, 0.5), Action::Shrink);
        assert_eq!(core.limits(1500).commits, 2);
        assert_eq!(core.react(refused(), 2, 0.5), Action::Shrink);
        assert_eq!(core.react(refused(), 1, 0.5), Action::SetAside("refused", "bad".into()));
        core.react(Outcome::Have(CommitNumber(12)), 1, 0.5);
        assert_eq!(core.limits(1500).commits, 2);
    }

    #[test]
    fn a_hub_that_refuses_everything_does_not_empty_the_buffer_at_once() {
        let mut core = core();
        let actions: Vec<_> = (0..6).map(|_| core.react(Outcome::Refused("no".into()), 1, 0.5)).collect();
        let set_aside = actions.iter().map(|action| matches!(action, Action::SetAside(..)));
        assert_eq!(set_aside.collect::<Vec<_>>(), [true, true, true, false, true, false]);
    }

    #[test]
    fn an_answer_without_progress_is_no_reason_to_hurry() {
        let mut core = core();
        assert!(matches!(core.react(Outcome::Gap(CommitNumber(10)), 1, 0.5), Action::Pause { .. }));
        assert_eq!(core.react(Outcome::Gap(CommitNumber(0)), 1, 0.5), Action::Repack(CommitNumber(0)));
    }

    #[test]
    fn pauses_grow_with_failures_and_start_over_after_an_answer() {
        let mut core = core();
        let mut delay = |outcome| match core.react(outcome, 1, 1.0) {
            Action::Pause { delay, .. } => delay.as_millis(),
            _ => 0,
        };
        let delays: Vec<_> = (0..4).map(|_| delay(Outcome::Failed("cut".into()))).collect();
        assert_eq!(delays, [200, 400, 800, 1600]);
        delay(Outcome::Have(CommitNumber(11)));
        assert_eq!(delay(Outcome::Failed("cut".into())), 200);
    }

    #[test]
    fn a_hub_that_cannot_be_reached_is_tried_often() {
        let mut core = core();
        for _ in 0..10 {
            let action = core.react(Outcome::Unreachable("refused".into()), 1, 1.0);
            assert!(matches!(action, Action::Pause { delay, .. } if delay <= RECONNECT_CAP), "{action:?}");
        }
    }

    #[test]
    fn a_hub_that_asks_for_a_pause_gets_it_and_a_wrong_token_the_longest_one() {
        let mut core = core();
        let later = core.react(Outcome::Later(Some(Duration::from_secs(7))), 1, 0.5);
        assert!(matches!(later, Action::Pause { delay, .. } if delay == Duration::from_secs(7)));
        let token = core.react(Outcome::Unauthorized(401), 1, 0.5);
        assert!(matches!(token, Action::Pause { delay, .. } if delay == Duration::from_secs(30)));
    }
}
