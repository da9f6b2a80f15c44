//! Times of arrival on a gateway whose clock may not be set yet.
//!
//! Many gateways have no battery-backed clock: after a power cut they say 1970, or the hour of the cut, until the
//! network tells better. What arrives meanwhile must be kept, and must not be stamped with that.
//!
//! ```text
//! committer ─▶ stamp: wall time, or uptime of this boot while the clock is not set ─▶ disk
//! forwarder ─▶ resolve: uptime + offset of its boot ─▶ hub        None while this boot's offset is unknown: it waits
//! ```
//!
//! The offset of a boot is noted on disk when its clock is set, so that what waits may be sent after any number of
//! restarts. A boot that ended before its clock was set has none: its readings are placed behind the newest time that
//! was known when it began, in their order and with their distances. Times that devices tell are never touched.

mod boots;
mod settings;
mod source;
mod uptime;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use penstock_shared::reading::{Reading, TimestampMicros};

use crate::buffer::StateFile;
use boots::Boots;
pub use settings::ClockSettings;
use source::{Moment, TimeSource};
use uptime::Uptime;

/// This program was not there earlier: 2026-11-01. A clock that says so is not set.
const EARLIEST: TimestampMicros = TimestampMicros(1_793_491_200_000_000);
/// A time of arrival lies so close to the present; what a device tells while the clock is wrong does not.
const ARRIVAL_WINDOW: Duration = Duration::from_secs(600);
/// How often the present is noted on disk, as what the clock must reach after the next start.
const NOTE_EVERY: Duration = Duration::from_secs(600);
/// A step back of less than this is the clock being corrected.
const TOLERANCE: Duration = Duration::from_secs(60);
/// A state that could not be written is tried again after this.
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// The agent's clock. Shared by the committer, which stamps, and the forwarder, which resolves.
#[derive(Debug)]
pub struct Clock {
    settings: ClockSettings,
    source: TimeSource,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: StateFile<Boots>,
    boots: Boots,
    /// Uptime at the start of the program.
    started: Duration,
    is_set: bool,
    /// Wall time less uptime while the clock was not set, and until when arrivals may still carry it.
    wrong: Option<Wrong>,
    /// The number of this boot, once it is on disk.
    boot: Option<u16>,
    written_at: Option<Duration>,
    unwritten: bool,
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    offset: i64,
    until: Option<Duration>,
}

/// How the committer's present is written.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// The present, for the disk.
    pub now: TimestampMicros,
    wall: TimestampMicros,
    rewrite: Option<Rewrite>,
}

#[derive(Debug, Clone, Copy)]
struct Rewrite {
    /// What the wrong clock says, or said, now.
    wrong_now: i64,
    right_now: TimestampMicros,
    /// Nothing arrived longer ago than the machine runs.
    oldest: i64,
}

impl Clock {
    /// Opens the clock's state in the buffer's directory `dir`, and looks at the clock. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses, or the operating system tells no boot id.
    pub fn open(dir: &Path, settings: ClockSettings) -> std::io::Result<Self> {
        Self::over(dir, settings, TimeSource::of_this_machine()?)
    }

    fn over(dir: &Path, settings: ClockSettings, source: TimeSource) -> std::io::Result<Self> {
        let (file, boots) = StateFile::open(&dir.join("clock"))?;
        let boots: Boots = boots.unwrap_or_default();
        let boot = boots.number_of(source.boot_id());
        let started = source.now().uptime;
        let state = State {
            file,
            boots,
            started,
            is_set: false,
            wrong: None,
            boot,
            written_at: None,
            unwritten: false,
        };
        let clock = Self { settings, source, state: Mutex::new(state) };
        clock.look(&mut clock.state());
        Ok(clock)
    }

    /// Tells whether the clock is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        let mut state = self.state();
        self.look(&mut state);
        state.is_set
    }

    /// Returns how what arrives now is stamped. While the clock is not set this notes the boot on disk, once.
    ///
    /// # Errors
    /// When the disk refuses; then nothing can be stamped.
    pub fn stamp(&self) -> std::io::Result<Stamp> {
        let mut state = self.state();
        let Moment { wall, uptime } = self.look(&mut state);
        if state.is_set {
            let recently_wrong = state.wrong.filter(|wrong| wrong.until.is_some_and(|until| uptime < until));
            let rewrite = recently_wrong.map(|wrong| Rewrite {
                wrong_now: micros(uptime).saturating_add(wrong.offset),
                right_now: wall,
                oldest: micros(uptime),
            });
            return Ok(Stamp { now: wall, wall, rewrite });
        }
        let number = self.number_of_this_boot(&mut state)?;
        let now = Uptime { boot: number, since_boot: uptime }.to_stamp();
        let rewrite = Rewrite { wrong_now: wall.0, right_now: now, oldest: micros(uptime) };
        Ok(Stamp { now, wall, rewrite: Some(rewrite) })
    }

    /// Returns the wall time of a stamp; none while that is not known yet.
    #[must_use]
    pub fn resolve(&self, stamp: TimestampMicros) -> Option<TimestampMicros> {
        let Some(Uptime { boot, since_boot }) = Uptime::from_stamp(stamp) else { return Some(stamp) };
        let mut state = self.state();
        self.look(&mut state);
        if state.boot == Some(boot) && !state.is_set {
            return None;
        }
        let begin = state.boots.begin_of(boot);
        Some(TimestampMicros(begin.0.saturating_add(micros(since_boot)).clamp(0, TimestampMicros::MAX.0)))
    }

    /// Looks at the clock, and notes when it is set.
    fn look(&self, state: &mut State) -> Moment {
        let now = self.source.now();
        if state.is_set {
            self.note_present(state, now);
            return now;
        }
        if !self.looks_set(state, now) {
            state.wrong = Some(Wrong { offset: now.wall.0.saturating_sub(micros(now.uptime)), until: None });
            return now;
        }
        state.is_set = true;
        if let Some(wrong) = &mut state.wrong {
            wrong.until = Some(now.uptime + ARRIVAL_WINDOW);
            tracing::info!("clock is set: what arrived before is stamped anew");
        }
        if let Some(boot) = state.boot {
            let begin = TimestampMicros(now.wall.0.saturating_sub(micros(now.uptime)));
            state.unwritten |= state.boots.note_begin(boot, begin);
        }
        self.note_present(state, now);
        now
    }

    fn looks_set(&self, state: &State, now: Moment) -> bool {
        if now.wall < EARLIEST {
            return false;
        }
        if let Some(file) = &self.settings.set_file {
            return file.exists();
        }
        let has_gone_back = now.wall.0.saturating_add(micros(TOLERANCE)) < state.boots.latest.0;
        !has_gone_back || now.uptime.saturating_sub(state.started) >= self.settings.wait
    }

    fn note_present(&self, state: &mut State, now: Moment) {
        let since = state.written_at.map(|at| now.uptime.saturating_sub(at));
        let is_due = since.is_none_or(|since| since >= NOTE_EVERY);
        let is_late = state.unwritten && since.is_none_or(|since| since >= RETRY_EVERY);
        if !(is_due || is_late) {
            return;
        }
        state.written_at = Some(now.uptime);
        state.boots.latest = now.wall;
        match state.file.write(&state.boots) {
            Ok(()) => state.unwritten = false,
            Err(error) => {
                tracing::debug!(%error, "clock's state not written");
                state.unwritten = true;
            }
        }
    }

    fn number_of_this_boot(&self, state: &mut State) -> std::io::Result<u16> {
        if let Some(number) = state.boot {
            return Ok(number);
        }
        tracing::warn!("clock is not set: readings wait on disk until it is");
        let mut boots = state.boots.clone();
        let number = boots.begin(*self.source.boot_id());
        state.file.write(&boots)?;
        state.boots = boots;
        state.boot = Some(number);
        Ok(number)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stamp {
    /// Rewrites a reading's time where it is a time of arrival by a clock that is, or just was, not set.
    pub fn apply(&self, reading: &mut Reading) {
        let Some(Rewrite { wrong_now, right_now, oldest }) = self.rewrite else { return };
        let age = wrong_now.saturating_sub(reading.time.0);
        if age.unsigned_abs() <= micros(ARRIVAL_WINDOW).unsigned_abs() {
            reading.time = TimestampMicros(right_now.0.saturating_sub(age.clamp(0, oldest)));
        }
    }

    /// Returns what the wall clock says, right or wrong.
    #[must_use]
    pub const fn wall(&self) -> TimestampMicros {
        self.wall
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
