//! What happens to readings between decoding and the disk: scaling, credible ranges, report by exception, limits.
//!
//! ```text
//! readings ─▶ limit on series ─▶ scale, unit ─▶ range ─▶ report by exception ─▶ limit on rate ─▶ kept
//!                   │ rejected                    │ dead letter,   │ rejected        │ rejected
//!                                                   rejected if many
//! ```
//!
//! One for the whole agent, on the committer's thread, so that a device keeps its history whichever way it comes. What
//! is withheld is counted once its message is acknowledged: a group that the disk refuses leaves no trace here
//! ([`Edge::undo`]), as its devices send it again. This module must not know of devices or disks.

mod counts;
mod exception;
mod rate;
mod rules;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};

use crate::allowance::Allowance;
use crate::config::{LimitSettings, SeriesSettings};
use crate::delivery::DeadLetter;
pub use counts::{Withheld, WithheldCounts};
use exception::LastReport;
use rate::RateAllowance;
use rules::Rule;

/// More series than this, where there is no limit, make the memory of last reports start over: then each is reported
/// once more, and memory stays bounded whatever devices invent.
const MAX_REMEMBERED: usize = 50_000;

/// Screens the readings of all sources.
#[derive(Debug)]
pub struct Edge {
    rules: Vec<Rule>,
    max_series: Option<usize>,
    known: HashMap<Arc<Series>, usize>,
    states: Vec<SeriesState>,
    /// What the group in the works has changed, in its order.
    before: Vec<(usize, Memory)>,
    counts: Arc<WithheldCounts>,
}

/// What is known of one series.
#[derive(Debug)]
struct SeriesState {
    rule: Option<usize>,
    /// The series under the rule's unit.
    reported: Arc<Series>,
    memory: Memory,
    /// For readings that are not credible: a broken sensor must not push out the dead letters of others.
    letters: Allowance,
}

/// What changes with a series' readings.
#[derive(Debug, Clone, Copy)]
struct Memory {
    last: Option<LastReport>,
    rate: RateAllowance,
}

/// What became of one delivery's readings.
#[derive(Debug, Default, PartialEq)]
pub struct Screened {
    /// To be kept.
    pub kept: Vec<Reading>,
    /// Those that are not credible.
    pub dead_letters: Vec<DeadLetter>,
    /// Those that are not to be kept, by reason.
    pub withheld: Withheld,
}

enum Fate {
    Kept(Reading),
    NotCredible(DeadLetter),
    Withheld(fn(&mut Withheld)),
}

impl Edge {
    /// Makes a screen from the operator's rules.
    #[must_use]
    pub fn new(rules: &[SeriesSettings], limits: LimitSettings) -> Self {
        Self {
            rules: rules.iter().cloned().map(Rule::new).collect(),
            max_series: limits.series,
            known: HashMap::new(),
            states: Vec::new(),
            before: Vec::new(),
            counts: Arc::default(),
        }
    }

    /// Screens by other rules from now on. The memory of last reports starts over, the counts go on.
    pub fn change_rules(&mut self, rules: &[SeriesSettings], limits: LimitSettings) {
        *self = Self { counts: Arc::clone(&self.counts), ..Self::new(rules, limits) };
    }

    /// Returns the counts of what is withheld, for the status.
    #[must_use]
    pub fn counts(&self) -> Arc<WithheldCounts> {
        Arc::clone(&self.counts)
    }

    /// Screens the readings of one delivery, `now` and by the wall clock `arrived_at`.
    pub fn screen(&mut self, readings: Vec<Reading>, now: Instant, arrived_at: TimestampMicros) -> Screened {
        if self.rules.is_empty() && self.max_series.is_none() {
            return Screened { kept: readings, ..Screened::default() };
        }
        let mut screened = Screened { kept: Vec::with_capacity(readings.len()), ..Screened::default() };
        for reading in readings {
            match self.judge(reading, now, arrived_at) {
                Fate::Kept(reading) => screened.kept.push(reading),
                Fate::NotCredible(letter) => screened.dead_letters.push(letter),
                Fate::Withheld(count) => count(&mut screened.withheld),
            }
        }
        screened
    }

    /// Notes that everything screened since the last call is acknowledged.
    pub fn settle(&mut self, withheld: &Withheld) {
        self.before.clear();
        self.counts.add(withheld);
        self.bound_memory();
    }

    /// Forgets everything screened since the last call of [`Self::settle`]: it comes again.
    pub fn undo(&mut self) {
        while let Some((place, memory)) = self.before.pop() {
            if let Some(state) = self.states.get_mut(place) {
                state.memory = memory;
            }
        }
        self.bound_memory();
    }

    fn bound_memory(&mut self) {
        if self.max_series.is_none() && self.states.len() > MAX_REMEMBERED {
            self.known.clear();
            self.states.clear();
        }
    }

    fn judge(&mut self, mut reading: Reading, now: Instant, arrived_at: TimestampMicros) -> Fate {
        let Some(place) = self.place_of(&reading.series, now) else {
            return Fate::Withheld(|withheld| withheld.series_limit += 1);
        };
        let state = &mut self.states[place];
        let Some(rule) = state.rule.and_then(|rule| self.rules.get(rule)) else { return Fate::Kept(reading) };
        if let Value::Number(number) = &mut reading.value {
            let measured = *number;
            *number = rule.scaled(measured);
            if let Err(detail) = rule.check_range(*number) {
                *number = measured;
                return match state.letters.take(now) {
                    true => Fate::NotCredible(not_credible(&reading, detail, arrived_at)),
                    false => Fate::Withheld(|withheld| withheld.out_of_range += 1),
                };
            }
        }
        reading.series = Arc::clone(&state.reported);
        let settings = rule.settings();
        if let Some(last) = &state.memory.last
            && let Err(count) = exception::judge(last, &reading, &settings.exception)
        {
            return Fate::Withheld(count);
        }
        self.before.push((place, state.memory));
        if let Some(rate) = settings.max_rate
            && !state.memory.rate.take(rate, reading.time)
        {
            return Fate::Withheld(|withheld| withheld.rate_limit += 1);
        }
        exception::note(&mut state.memory.last, &reading);
        Fate::Kept(reading)
    }

    /// None is one series too many.
    fn place_of(&mut self, series: &Arc<Series>, now: Instant) -> Option<usize> {
        if let Some(place) = self.known.get(series) {
            return Some(*place);
        }
        if self.max_series.is_some_and(|most| self.states.len() >= most) {
            return None;
        }
        let rule = self.rules.iter().position(|rule| rule.matches(series));
        let reported = rule.map_or_else(|| Arc::clone(series), |rule| self.rules[rule].reported(series));
        let memory = Memory { last: None, rate: RateAllowance::full() };
        self.states.push(SeriesState { rule, reported, memory, letters: Allowance::new(now) });
        self.known.insert(Arc::clone(series), self.states.len() - 1);
        Some(self.states.len() - 1)
    }
}

fn not_credible(reading: &Reading, detail: String, arrived_at: TimestampMicros) -> DeadLetter {
    DeadLetter {
        arrived_at,
        origin: format!("{}{}", DeadLetter::OF_SERIES, reading.series),
        reason: "out_of_range".to_owned(),
        detail,
        payload: serde_json::to_vec(reading).unwrap_or_else(|_| format!("{reading:?}").into_bytes()),
    }
}

#[cfg(test)]
mod tests;
