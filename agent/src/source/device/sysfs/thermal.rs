//! `/sys/class/thermal`: zones, in thousandths of a degree.

use std::path::Path;

use super::{Found, devices, number, text};

pub(super) fn read(directory: &Path) -> Vec<Found> {
    let zones = devices(directory).into_iter().filter(|(name, _)| name.starts_with("thermal_zone"));
    zones
        .filter_map(|(name, path)| {
            let raw = number(&path.join("temp"))?;
            let index = name.trim_start_matches("thermal_zone");
            let kind = text(&path.join("type")).unwrap_or_else(|| "zone".to_owned());
            Some(Found::number(format!("thermal/{kind} {index}"), "temperature", raw * 1e-3, "°C"))
        })
        .collect()
}
