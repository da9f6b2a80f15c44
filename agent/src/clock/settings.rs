//! When the clock counts as set.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The bounds of the doubt about this machine's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockSettings {
    /// The clock counts as set when this file is there, such as `/run/systemd/timesync/synchronized`. Without one it
    /// counts as set when it is not behind the newest time known. Default: none.
    pub set_file: Option<PathBuf>,
    /// A clock is believed so long after the boot all the same, unless it is older than this program. Default: 60
    /// minutes.
    pub wait: Duration,
}

/// Says that systemd-timesyncd runs, and that it has synchronised.
const TIMESYNC: &str = "run/systemd/timesync";
const SYNCHRONIZED: &str = "synchronized";
/// A clock that goes on without power.
const BATTERY_BACKED: &str = "dev/rtc0";

impl ClockSettings {
    /// Puts in what suits this machine, whose files lie under `root`: where there is no battery-backed clock, a clock
    /// that systemd-timesyncd restored from the last saved time looks set and is not.
    #[must_use]
    pub fn suited_to(mut self, root: &Path) -> Self {
        if self.set_file.is_none() && root.join(TIMESYNC).is_dir() && !root.join(BATTERY_BACKED).exists() {
            self.set_file = Some(root.join(TIMESYNC).join(SYNCHRONIZED));
        }
        self
    }
}

impl Default for ClockSettings {
    fn default() -> Self {
        Self { set_file: None, wait: Duration::from_secs(3600) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_saved_time_is_restored_the_clock_waits_for_the_network() {
        let root = tempfile::tempdir().expect("a directory");
        let suited = || ClockSettings::default().suited_to(root.path()).set_file;
        assert_eq!(suited(), None);
        std::fs::create_dir_all(root.path().join(TIMESYNC)).expect("directories");
        assert_eq!(suited(), Some(root.path().join(TIMESYNC).join(SYNCHRONIZED)));
        std::fs::create_dir_all(root.path().join("dev")).expect("a directory");
        std::fs::write(root.path().join(BATTERY_BACKED), "").expect("a file");
        assert_eq!(suited(), None);
    }
}
