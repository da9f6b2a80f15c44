//! How fast agents may drain their backlogs beside live data: a budget that all of them share, smaller while the
//! processor is behind, as live data waits in the same line.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use penstock_shared::answer::BacklogGrant;
use penstock_shared::id::AgentId;

/// An agent that sent nothing of a backlog for so long has none.
const DRAINING: Duration = Duration::from_secs(10);
/// How often those that have none are forgotten.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Agents remembered at once; beyond, the share is as small as for so many.
const MAX_REMEMBERED: usize = 50_000;
/// The least that is granted: a backlog never stands still.
const LEAST_PER_SECOND: u32 = 100;
/// A lag at which the budget is granted whole, and one at which only the twentieth part of it is.
const EASY_LAG: Duration = Duration::from_millis(500);
const HARD_LAG: Duration = Duration::from_secs(2);
const HARD_PART: f64 = 0.05;

/// Who drains a backlog at present.
#[derive(Debug)]
pub(super) struct Backlogs {
    readings_per_second: u32,
    draining: Mutex<Draining>,
}

/// The agents and when each was seen last. Every answer asks how many there are, so they are looked through only now
/// and then.
#[derive(Debug, Default)]
struct Draining {
    seen: HashMap<AgentId, Instant>,
    looked_at: Option<Instant>,
}

impl Draining {
    fn forget_silent(&mut self, now: Instant) {
        if self.looked_at.is_none_or(|at| now.duration_since(at) >= LOOK_EVERY) {
            self.seen.retain(|_, seen| now.duration_since(*seen) < DRAINING);
            self.looked_at = Some(now);
        }
    }
}

impl Backlogs {
    pub(super) fn new(readings_per_second: u32) -> Self {
        Self { readings_per_second, draining: Mutex::default() }
    }

    /// Takes note that an agent sends of a backlog.
    pub(super) fn note(&self, agent: &AgentId, now: Instant) {
        let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
        draining.forget_silent(now);
        if let Some(seen) = draining.seen.get_mut(agent) {
            *seen = now;
        } else if draining.seen.len() < MAX_REMEMBERED {
            draining.seen.insert(agent.clone(), now);
        }
    }

    /// Returns what each agent is granted while the processor is `lag` behind.
    pub(super) fn grant(&self, lag: Duration, now: Instant) -> BacklogGrant {
        let agents = {
            let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
            draining.forget_silent(now);
            draining.seen.len().max(1)
        };
        let share = f64::from(self.readings_per_second) * part_at(lag) / agents as f64;
        BacklogGrant { readings_per_second: (share as u32).max(LEAST_PER_SECOND) }
    }
}

/// The part of the budget at a lag: all of it up to the easy one, falling in a line to the hard one.
fn part_at(lag: Duration) -> f64 {
    let over = lag.saturating_sub(EASY_LAG).as_secs_f64() / (HARD_LAG - EASY_LAG).as_secs_f64();
    (1.0 - over * (1.0 - HARD_PART)).max(HARD_PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(number: usize) -> AgentId {
        AgentId::new(format!("gw{number}")).expect("valid")
    }

    #[test]
    fn agents_that_drain_share_the_budget_and_those_that_are_done_do_not() {
        let backlogs = Backlogs::new(60_000);
        let start = Instant::now();
        assert_eq!(backlogs.grant(Duration::ZERO, start).readings_per_second, 60_000);
        (0..3).for_each(|number| backlogs.note(&agent(number), start));
        assert_eq!(backlogs.grant(Duration::ZERO, start).readings_per_second, 20_000);
        backlogs.note(&agent(0), start + DRAINING);
        assert_eq!(backlogs.grant(Duration::ZERO, start + DRAINING).readings_per_second, 60_000);
    }

    #[test]
    fn a_hub_that_is_behind_grants_less_but_never_nothing() {
        let backlogs = Backlogs::new(60_000);
        let now = Instant::now();
        let granted = |millis| backlogs.grant(Duration::from_millis(millis), now).readings_per_second;
        assert_eq!((granted(500), granted(2_000), granted(600_000)), (60_000, 3_000, 3_000));
        assert!((30_000..33_000).contains(&granted(1_250)), "{}", granted(1_250));
        (0..50_000).for_each(|number| backlogs.note(&agent(number), now));
        assert_eq!(granted(0), LEAST_PER_SECOND);
    }
}
