//! What Linux tells of its sensors in sysfs: found anew at each look, so that a plugged-in sensor appears by itself.
//!
//! Shapes and units are those of the kernel's documentation: `Documentation/hwmon/sysfs-interface.rst`,
//! `Documentation/ABI/testing/sysfs-class-thermal`, `sysfs-bus-iio`, `sysfs-class-power` and `Documentation/w1/`.

mod hwmon;
mod iio;
mod one_wire;
mod power_supply;
mod thermal;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use penstock_shared::reading::Value;

use crate::config::SensorClass;
use crate::decode::Sample;

/// More from one file is not read: a value has a few bytes.
const MAX_FILE_BYTES: u64 = 4096;
/// More devices of one class are not looked at.
const MAX_DEVICES: usize = 256;

/// A value of a part of this machine, such as `coretemp/Core 0`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) part: String,
    pub(super) sample: Sample,
}

impl Found {
    fn number(part: impl Into<String>, name: &str, number: f64, unit: &str) -> Self {
        Self { part: part.into(), sample: Sample::new(name, Value::Number(number)).with_unit(unit) }
    }
}

/// A quantity as sysfs spells it: the prefix of its files, its name, what its integers are multiplied with, its unit.
struct Quantity {
    prefix: &'static str,
    name: &'static str,
    scale: f64,
    unit: &'static str,
}

/// Reads every sensor of a class. A sensor that does not answer is left out: many say "no data" while they warm up.
pub(super) fn read(root: &Path, class: SensorClass) -> Vec<Found> {
    match class {
        SensorClass::Hwmon => hwmon::read(&root.join("class/hwmon")),
        SensorClass::Thermal => thermal::read(&root.join("class/thermal")),
        SensorClass::Iio => iio::read(&root.join("bus/iio/devices")),
        SensorClass::OneWire => one_wire::read(&root.join("bus/w1/devices")),
        SensorClass::PowerSupply => power_supply::read(&root.join("class/power_supply")),
    }
}

/// Returns a directory's entries by name; none where there is no such directory.
fn entries(directory: &Path) -> Vec<(String, PathBuf)> {
    let Ok(listing) = fs::read_dir(directory) else { return Vec::new() };
    let mut entries: Vec<_> = listing
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect();
    entries.sort();
    entries
}

fn devices(directory: &Path) -> Vec<(String, PathBuf)> {
    let mut devices = entries(directory);
    devices.truncate(MAX_DEVICES);
    devices
}

/// Reads a small file's text; none when it is missing, empty, or the sensor behind it does not answer.
fn text(file: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(file).ok()?.take(MAX_FILE_BYTES).read_to_string(&mut text).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn number(file: &Path) -> Option<f64> {
    text(file)?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Splits `temp1_input` into `temp`, `1` when it has this suffix.
fn channel<'a>(file: &'a str, suffix: &str) -> Option<(&'a str, &'a str)> {
    let stem = file.strip_suffix(suffix)?;
    let digits = stem.find(|c: char| c.is_ascii_digit()).unwrap_or(stem.len());
    let (prefix, index) = stem.split_at(digits);
    index.bytes().all(|byte| byte.is_ascii_digit()).then_some((prefix, index))
}

#[cfg(test)]
mod tests;
