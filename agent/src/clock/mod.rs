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

use std::path::{Path, PathBuf};
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
    /// Where boots are remembered; none where they are not.
    path: Option<PathBuf>,
    /// None where the disk refuses.
    file: Option<StateFile<Boots>>,
    boots: Boots,
    /// The number of this boot, if its clock was not set at first.
    boot: Option<u16>,
    written_at: Option<Duration>,
    unwritten: bool,
}

impl Clock {
    /// Opens the clock's state in the buffer's directory `dir`, and looks at the clock. Blocks on the disk. Where that
    /// refuses, [`Self::tick`] tries again.
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

    /// Looks at this machine's clock and remembers nothing: it is judged without the newest time known.
    #[must_use]
    pub fn look_only(settings: ClockSettings) -> Self {
        Self::over(None, settings, TimeSource::of_this_machine())
    }

    fn over(dir: Option<&Path>, settings: ClockSettings, source: TimeSource) -> Self {
        let mut state = State {
            path: dir.map(|dir| dir.join("clock")),
            file: None,
            boots: Boots::default(),
            boot: None,
            written_at: None,
            unwritten: false,
        };
        if let Err(error) = state.open() {
            tracing::warn!(%error, "clock's state cannot be opened");
        }
        state.boot = state.boots.number_of(source.boot_id());
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
        if self.is_set.load(Ordering::Acquire) {
            return self.source.wall();
        }
        let now = self.source.now();
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
        self.source.wall()
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
    ///
    /// # Errors
    /// When the clock is not set and the disk does not take which boot this is: then no stamp may be relied on.
    pub fn tick(&self) -> std::io::Result<()> {
        let now = self.source.now();
        let mut state = self.state();
        self.look(&mut state, now);
        if self.is_set.load(Ordering::Acquire) {
            state.note_present(now);
            return Ok(());
        }
        let is_due = state.written_at.is_none_or(|at| now.uptime.saturating_sub(at) >= NOTE_EVERY);
        if let Some(boot) = state.boot.filter(|_| is_due || state.unwritten) {
            state.boots.note_uptime(boot, micros(now.uptime));
            state.write(now)?;
        }
        Ok(())
    }

    /// Returns what the clock counts as set by, for the operator.
    #[must_use]
    pub fn waits_for(&self) -> String {
        match &self.settings.set_file {
            Some(file) => format!("{} is not there", file.display()),
            None => "it is behind the newest time known".to_owned(),
        }
    }

    /// Looks at the clock for the first time. A boot without a set clock is noted before anything is stamped with it.
    fn begin(&self, state: &mut State) {
        let now = self.source.now();
        if state.boot.is_none() && !self.looks_set(state, now) {
            tracing::warn!("clock is not set: readings wait on disk until it is");
            state.boot = Some(state.boots.begin(*self.source.boot_id()));
            if let Err(error) = state.write(now) {
                tracing::warn!(%error, "boot not noted yet");
            }
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
        state.write_or_later(now);
        self.is_set.store(true, Ordering::Release);
    }

    fn looks_set(&self, state: &State, now: Moment) -> bool {
        if now.wall < EARLIEST {
            return false;
        }
        // After the boot and not after the start: an agent that is started again long after it has nothing to wait for.
        let has_waited = now.uptime >= self.settings.wait;
        has_waited
            || match &self.settings.set_file {
                Some(file) => file.exists(),
                None => now.wall.0.saturating_add(micros(TOLERANCE)) >= state.boots.latest.0,
            }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Opens the file, where there is to be one, and takes over what is in it.
    fn open(&mut self) -> std::io::Result<()> {
        if let Some(path) = self.path.as_deref().filter(|_| self.file.is_none()) {
            let (file, boots) = StateFile::open(path)?;
            self.file = Some(file);
            // Boots noted in memory meanwhile would take numbers that are taken.
            if let Some(boots) = boots.filter(|_| self.boot.is_none()) {
                self.boots = boots;
            }
        }
        Ok(())
    }

    fn note_present(&mut self, now: Moment) {
        let since = self.written_at.map(|at| now.uptime.saturating_sub(at));
        let pause = if self.unwritten { RETRY_EVERY } else { NOTE_EVERY };
        if since.is_none_or(|since| since >= pause) {
            self.boots.latest = now.wall;
            self.write_or_later(now);
        }
    }

    fn write_or_later(&mut self, now: Moment) {
        if let Err(error) = self.write(now) {
            tracing::debug!(%error, "clock's state not written");
        }
    }

    fn write(&mut self, now: Moment) -> std::io::Result<()> {
        self.written_at = Some(now.uptime);
        self.unwritten = true;
        self.open()?;
        if let Some(file) = &mut self.file {
            file.write(&self.boots)?;
        }
        self.unwritten = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
