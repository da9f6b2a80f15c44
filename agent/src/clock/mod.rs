//! Times of arrival on a gateway whose clock may not be set yet.
//!
//! Many gateways have no battery-backed clock: after a power cut they say 1970, or the hour of the cut, until the
//! network tells better. What arrives meanwhile must be kept, and must not be stamped with that.
//!
//! ```text
//! source ─▶ now: wall time, or a stamp (uptime of a boot) while the clock is not set ─▶ disk
//! forwarder ─▶ resolve: stamp + begin of its boot ─▶ hub      None while this boot's clock is not set: it waits
//! ```
//!
//! When a boot began is noted on disk as soon as its clock is set, so that what waits may be sent after any number of
//! restarts. A boot that ended before its clock was set is placed behind the newest time that was known when it began:
//! its readings keep their order and their distances. Times that devices tell are never touched.

mod boots;
mod settings;
mod source;
mod uptime;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use penstock_shared::reading::TimestampMicros;

use crate::buffer::StateFile;
use boots::Boots;
pub use settings::ClockSettings;
use source::{Moment, TimeSource};
use uptime::{Uptime, micros};
pub use uptime::{is_stamp, shift};

/// This program was not there earlier: 2026-11-01. A clock that says so is not set.
const EARLIEST: TimestampMicros = TimestampMicros(1_793_491_200_000_000);
/// How often the present is noted on disk, as what the clock must reach after the next start.
const NOTE_EVERY: Duration = Duration::from_secs(600);
/// A step back of less than this is the clock being corrected.
const TOLERANCE: Duration = Duration::from_secs(60);
/// A state that could not be written is tried again after this.
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// The agent's clock. Sources take the present from it, the forwarder resolves stamps with it.
#[derive(Debug)]
pub struct Clock {
    settings: ClockSettings,
    source: TimeSource,
    /// Never false again.
    is_set: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None where nothing is to be remembered, or the disk refuses.
    file: Option<StateFile<Boots>>,
    boots: Boots,
    /// Uptime at the start of the program.
    started: Duration,
    /// The number of this boot, if its clock was not set at first.
    boot: Option<u16>,
    written_at: Option<Duration>,
    unwritten: bool,
}

impl Clock {
    /// Opens the clock's state in the buffer's directory `dir`, and looks at the clock. Blocks on the disk. Where that
    /// refuses, boots are not remembered beyond this start of the program.
    #[must_use]
    pub fn open(dir: &Path, settings: ClockSettings) -> Self {
        Self::over(Some(dir), settings, TimeSource::of_this_machine())
    }

    /// Returns a clock that takes this machine's as set and remembers nothing.
    #[must_use]
    pub fn of_wall() -> Self {
        let clock = Self::over(None, ClockSettings::default(), TimeSource::of_this_machine());
        clock.is_set.store(true, Ordering::Release);
        clock
    }

    fn over(dir: Option<&Path>, settings: ClockSettings, source: TimeSource) -> Self {
        let opened = dir.map(|dir| StateFile::<Boots>::open(&dir.join("clock"))).transpose();
        let opened = opened.unwrap_or_else(|error| {
            tracing::warn!(%error, "clock's state cannot be opened: boots are not remembered");
            None
        });
        let (file, boots) = opened.map_or((None, None), |(file, boots)| (Some(file), boots));
        let boots = boots.unwrap_or_default();
        let boot = boots.number_of(source.boot_id());
        let started = source.now().uptime;
        let state = State { file, boots, started, boot, written_at: None, unwritten: false };
        let clock = Self { settings, source, is_set: AtomicBool::new(false), state: Mutex::new(state) };
        clock.begin(&mut clock.state());
        clock
    }

    /// Tells whether the clock is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire) || {
            let mut state = self.state();
            self.look(&mut state, self.source.now());
            self.is_set.load(Ordering::Acquire)
        }
    }

    /// Returns the present as a reading that arrives now carries it: wall time, or a stamp while the clock is not set.
    #[must_use]
    pub fn now(&self) -> TimestampMicros {
        let now = self.source.now();
        if self.is_set.load(Ordering::Acquire) {
            return now.wall;
        }
        let mut state = self.state();
        self.look(&mut state, now);
        match state.boot {
            Some(boot) if !self.is_set.load(Ordering::Acquire) => {
                Uptime { boot, micros: micros(now.uptime) }.to_stamp()
            }
            _ => now.wall,
        }
    }

    /// Returns what the wall clock says, right or wrong.
    #[must_use]
    pub fn wall(&self) -> TimestampMicros {
        self.source.now().wall
    }

    /// Returns the wall time of a stamp; none while that is not known yet. Any other time is returned as it is.
    #[must_use]
    pub fn resolve(&self, stamp: TimestampMicros) -> Option<TimestampMicros> {
        let Some(Uptime { boot, micros }) = Uptime::from_stamp(stamp) else { return Some(stamp) };
        let is_set = self.is_set();
        let state = self.state();
        if state.boot == Some(boot) && !is_set {
            return None;
        }
        let moment = state.boots.begin_of(boot).0.saturating_add(micros);
        Some(TimestampMicros(moment.clamp(TimestampMicros::MIN.0, TimestampMicros::MAX.0)))
    }

    /// Notes the present on disk now and then. Blocks on the disk.
    pub fn tick(&self) {
        let now = self.source.now();
        let mut state = self.state();
        self.look(&mut state, now);
        if self.is_set.load(Ordering::Acquire) {
            state.note_present(now);
        }
    }

    /// Looks at the clock for the first time. A boot without a set clock is noted before anything is stamped with it.
    fn begin(&self, state: &mut State) {
        let now = self.source.now();
        if state.boot.is_none() && !self.looks_set(state, now) {
            tracing::warn!("clock is not set: readings wait on disk until it is");
            state.boot = Some(state.boots.begin(*self.source.boot_id()));
            state.write(now);
        }
        self.look(state, now);
    }

    fn look(&self, state: &mut State, now: Moment) {
        if self.is_set.load(Ordering::Acquire) || !self.looks_set(state, now) {
            return;
        }
        if let Some(boot) = state.boot {
            tracing::info!("clock is set: what arrived before is stamped now");
            state.boots.note_begin(boot, TimestampMicros(now.wall.0.saturating_sub(micros(now.uptime))));
        }
        state.boots.latest = now.wall;
        state.write(now);
        self.is_set.store(true, Ordering::Release);
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_present(&mut self, now: Moment) {
        let since = self.written_at.map(|at| now.uptime.saturating_sub(at));
        let pause = if self.unwritten { RETRY_EVERY } else { NOTE_EVERY };
        if since.is_none_or(|since| since >= pause) {
            self.boots.latest = now.wall;
            self.write(now);
        }
    }

    fn write(&mut self, now: Moment) {
        self.written_at = Some(now.uptime);
        let Some(file) = &mut self.file else { return };
        self.unwritten = match file.write(&self.boots) {
            Ok(()) => false,
            Err(error) => {
                tracing::debug!(%error, "clock's state not written");
                true
            }
        };
    }
}

#[cfg(test)]
mod tests;
