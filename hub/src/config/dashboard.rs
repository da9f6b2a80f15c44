//! `[dashboard]`: what the dashboard shows beside the data.

use super::document::Document;

/// The settings of the dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct DashboardSettings {
    /// Where devices publish, as `host:port`, for the hint on an empty page.
    pub mqtt_hint: Option<String>,
}

impl DashboardSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let mut section = document.section("dashboard");
        let mqtt_hint = section.take("mqtt_hint", String::new());
        Self { mqtt_hint: (!mqtt_hint.is_empty()).then_some(mqtt_hint) }
    }
}
