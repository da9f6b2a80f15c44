//! `/sys/bus/w1/devices`: 1-Wire thermometers, named by family and serial number.

use std::path::Path;

use super::{Found, devices, number, text};

/// DS18S20, DS1822, DS18B20, DS1825, DS28EA00.
const THERMOMETERS: [&str; 5] = ["10-", "22-", "28-", "3b-", "42-"];

pub(super) fn read(directory: &Path) -> Vec<Found> {
    let is_thermometer = |name: &str| THERMOMETERS.iter().any(|family| name.starts_with(family));
    let thermometers = devices(directory).into_iter().filter(|(name, _)| is_thermometer(name));
    thermometers
        .filter_map(|(name, path)| {
            let millidegrees = number(&path.join("temperature")).or_else(|| from_slave(&path))?;
            Some(Found::number(format!("1-wire/{name}"), "temperature", millidegrees * 1e-3, "°C"))
        })
        .collect()
}

/// Reads `w1_slave`, which older kernels have instead: two lines of bytes, the first ends in YES when the checksum
/// is right, the second in `t=` and thousandths of a degree.
fn from_slave(path: &Path) -> Option<f64> {
    let text = text(&path.join("w1_slave"))?;
    let (first, second) = text.split_once('\n')?;
    if !first.trim_end().ends_with("YES") {
        return None;
    }
    second.split_once("t=")?.1.trim().parse().ok()
}
