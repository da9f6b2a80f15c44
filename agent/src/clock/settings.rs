//! When the clock counts as set.

use std::path::PathBuf;
use std::time::Duration;

/// The bounds of the doubt about this machine's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockSettings {
    /// The clock counts as set when this file is there, such as `/run/systemd/timesync/synchronized`. Without one it
    /// counts as set when it is not behind the newest time known. Default: none.
    pub set_file: Option<PathBuf>,
    /// A clock behind the newest time known is believed after this long all the same. Default: 60 minutes.
    pub wait: Duration,
}

impl Default for ClockSettings {
    fn default() -> Self {
        Self { set_file: None, wait: Duration::from_secs(3600) }
    }
}
