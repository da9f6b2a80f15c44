//! `[retention]`: how long everything is kept.

use std::time::Duration;

use super::document::{Document, Section};

/// The longest time that anything is kept: a hundred years.
const MAX_DAYS: u64 = 36_500;

/// How long each kind of document is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct RetentionSettings {
    /// Raw readings.
    pub raw: Duration,
    /// Rollups of minutes.
    pub minute: Duration,
    /// Rollups of hours.
    pub hour: Duration,
    /// Rollups of days.
    pub day: Duration,
}

impl RetentionSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let mut section = document.section("retention");
        Self {
            raw: days(&mut section, "raw_days", 30),
            minute: days(&mut section, "minute_days", 7),
            hour: days(&mut section, "hour_days", 90),
            day: days(&mut section, "day_days", 1825),
        }
    }
}

fn days(section: &mut Section<'_>, key: &str, default: u64) -> Duration {
    Duration::from_secs(section.number(key, default, 1..=MAX_DAYS) * 86_400)
}
