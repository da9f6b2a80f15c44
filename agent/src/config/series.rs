//! `[[series]]` and `[limits]`: what is done with readings between decoding and the disk. Resolved by `edge`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::pattern::Pattern;
use super::section::Section;

/// The longest interval, and the longest time without a report: 30 days.
const MAX_INTERVAL_MS: u64 = 30 * 86_400_000;
const MAX_SERIES: u64 = 1_000_000;
const MAX_RATE: u64 = 1_000_000;

/// What is done with the readings of some series. The first whose patterns match decides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesSettings {
    /// Which types; `*` stands for any text. Default: all.
    pub event_type: Pattern,
    /// Which sources, as they stand in readings, with the agent's prefix. Default: all.
    pub source: Pattern,
    /// What a number is multiplied with. Default: 1.
    pub scale: Option<f64>,
    /// What is then added. Default: 0.
    pub add: Option<f64>,
    /// The unit that the readings carry instead of their own; none keeps theirs.
    pub unit: Option<String>,
    /// The numbers that are credible, after scaling; others become dead letters. Default: all.
    pub range: Option<RangeInclusive<f64>>,
    /// Report by exception; none of its keys reports every reading.
    pub exception: ExceptionSettings,
    /// The most readings per second that are kept of one series, with bursts of as many. Default: no limit.
    pub max_rate: Option<u64>,
}

/// When a reading is worth reporting.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ExceptionSettings {
    /// Reported when the number differs from the last reported one by more than this. 0 reports every change.
    pub deadband: Option<f64>,
    /// The same, in percent of the last reported number. With both, both must be exceeded.
    pub deadband_percent: Option<f64>,
    /// Nothing sooner after the last report than this.
    pub min_interval: Option<Duration>,
    /// Reported after this long although it did not change.
    pub max_interval: Option<Duration>,
}

/// Limits over all series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitSettings {
    /// The most series since the start; readings of further ones are refused. Default: no limit.
    pub series: Option<usize>,
}

pub(super) fn read(section: &mut Section<'_>) -> SeriesSettings {
    let pattern = |text: Option<String>| text.as_deref().map(Pattern::new).unwrap_or_default();
    let event_type = pattern(section.optional_text("type"));
    let source = pattern(section.optional_text("source"));
    let scale = section.optional_fraction("scale");
    if scale == Some(0.0) {
        section.fault("scale", "must not be 0, which makes every reading the same");
    }
    SeriesSettings {
        event_type,
        source,
        scale,
        add: section.optional_fraction("add"),
        unit: section.optional_text("unit"),
        range: read_range(section),
        exception: read_exception(section),
        max_rate: section.optional_number("max_rate", 1..=MAX_RATE),
    }
}

fn read_range(section: &mut Section<'_>) -> Option<RangeInclusive<f64>> {
    let lowest = section.optional_fraction("min");
    let highest = section.optional_fraction("max");
    let range = lowest.unwrap_or(f64::MIN)..=highest.unwrap_or(f64::MAX);
    if range.is_empty() {
        section.fault("max", "must not be below min");
    }
    (lowest.is_some() || highest.is_some()).then_some(range)
}

fn read_exception(section: &mut Section<'_>) -> ExceptionSettings {
    let mut deadband = |key| {
        let width = section.optional_fraction(key)?;
        if width < 0.0 {
            section.fault(key, "must not be negative");
        }
        Some(width)
    };
    let (deadband, deadband_percent) = (deadband("deadband"), deadband("deadband_percent"));
    let mut interval = |key| section.optional_number(key, 1..=MAX_INTERVAL_MS).map(Duration::from_millis);
    let (min_interval, max_interval) = (interval("min_interval_ms"), interval("max_interval_ms"));
    if min_interval.zip(max_interval).is_some_and(|(shortest, longest)| longest < shortest) {
        section.fault("max_interval_ms", "must not be below min_interval_ms");
    }
    if max_interval.is_some() && deadband.is_none() && deadband_percent.is_none() {
        section.fault("max_interval_ms", "needs a deadband: without one every reading is reported anyway");
    }
    ExceptionSettings { deadband, deadband_percent, min_interval, max_interval }
}

pub(super) fn read_limits(section: &mut Section<'_>) -> LimitSettings {
    let series = section.optional_number("series", 1..=MAX_SERIES);
    LimitSettings { series: series.and_then(|series| usize::try_from(series).ok()) }
}
