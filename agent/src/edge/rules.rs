//! One of the operator's rules: which series it is for, and what it makes of a number.

use std::sync::Arc;

use penstock_shared::reading::Series;

use crate::config::SeriesSettings;

#[derive(Debug)]
pub(super) struct Rule {
    settings: SeriesSettings,
}

impl Rule {
    pub(super) const fn new(settings: SeriesSettings) -> Self {
        Self { settings }
    }

    pub(super) const fn settings(&self) -> &SeriesSettings {
        &self.settings
    }

    pub(super) fn matches(&self, series: &Series) -> bool {
        self.settings.event_type.matches(&series.event_type) && self.settings.source.matches(&series.source)
    }

    /// Returns the series as it is kept: under the rule's unit, where that makes a valid series.
    pub(super) fn reported(&self, series: &Arc<Series>) -> Arc<Series> {
        let Some(unit) = &self.settings.unit else { return Arc::clone(series) };
        let mut renamed = Series::clone(series);
        renamed.labels.insert("unit".to_owned(), unit.clone());
        match renamed.validate() {
            Ok(()) => Arc::new(renamed),
            // It has as many labels as it may have: the unit is worth less than the readings.
            Err(error) => {
                tracing::warn!(%series, unit, %error, "unit not noted");
                Arc::clone(series)
            }
        }
    }

    /// Returns `number` × scale + add; the number itself, to the bit, where the rule has neither.
    pub(super) fn scaled(&self, number: f64) -> f64 {
        match (self.settings.scale, self.settings.add) {
            (None, None) => number,
            (scale, add) => number * scale.unwrap_or(1.0) + add.unwrap_or(0.0),
        }
    }

    pub(super) fn check_range(&self, number: f64) -> Result<(), String> {
        if !number.is_finite() {
            return Err(format!("{number} after scaling is no finite number"));
        }
        match &self.settings.range {
            Some(range) if !range.contains(&number) => {
                Err(format!("{number} is outside {} to {}", range.start(), range.end()))
            }
            _ => Ok(()),
        }
    }
}
