//! `[clock]`: when this machine's clock counts as set.

use std::time::Duration;

use super::section::Section;
use crate::clock::ClockSettings;

pub(super) fn read(section: &mut Section<'_>) -> ClockSettings {
    ClockSettings {
        set_file: section.optional_text("set_file").map(Into::into),
        wait: Duration::from_secs(60 * section.number("wait_minutes", 60, 0..=5_256_000)),
    }
}
