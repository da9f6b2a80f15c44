//! `[device]`: this machine's own sensors and figures.

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;

/// A kind of sensor that Linux shows in sysfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SensorClass {
    /// Temperatures, fans and voltages of boards and disks.
    Hwmon,
    /// Thermal zones.
    Thermal,
    /// Industrial I/O: ambient sensors and converters.
    Iio,
    /// 1-Wire thermometers.
    OneWire,
    /// Batteries, adapters, solar chargers.
    PowerSupply,
}

impl SensorClass {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Hwmon, Self::Thermal, Self::Iio, Self::OneWire, Self::PowerSupply];

    const fn word(self) -> &'static str {
        match self {
            Self::Hwmon => "hwmon",
            Self::Thermal => "thermal",
            Self::Iio => "iio",
            Self::OneWire => "one_wire",
            Self::PowerSupply => "power_supply",
        }
    }
}

/// What of this machine is measured, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSettings {
    /// Default: false.
    pub enabled: bool,
    /// Default: 10 s.
    pub interval: Duration,
    /// The source's name; parts of the machine follow it, as in `host/coretemp/Core 0`. Default: `host`.
    pub source: String,
    /// Default: all.
    pub sensors: Vec<SensorClass>,
    /// Whether load, memory, disks and network count too. Default: true.
    pub figures: bool,
    /// Where sysfs is mounted. Default: `/sys`.
    pub sysfs: PathBuf,
}

impl Default for DeviceSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            interval: Duration::from_secs(10),
            source: "host".to_owned(),
            sensors: SensorClass::ALL.to_vec(),
            figures: true,
            sysfs: "/sys".into(),
        }
    }
}

pub(super) fn read(section: &mut Section<'_>) -> DeviceSettings {
    let default = DeviceSettings::default();
    let words = section.texts("sensors", &SensorClass::ALL.map(SensorClass::word));
    let mut sensors = Vec::with_capacity(words.len());
    for word in words {
        match SensorClass::ALL.into_iter().find(|class| class.word() == word) {
            Some(class) => sensors.push(class),
            None => {
                let known = SensorClass::ALL.map(SensorClass::word).join(", ");
                section.fault("sensors", format!("has {word:?}, which is none of {known}"));
            }
        }
    }
    let source = section.text("source", &default.source);
    if source.is_empty() {
        section.fault("source", "must not be empty");
    }
    DeviceSettings {
        enabled: section.flag("enabled", default.enabled),
        interval: Duration::from_secs(section.number("interval_seconds", 10, 1..=86_400)),
        source,
        sensors,
        figures: section.flag("figures", default.figures),
        sysfs: section.text("sysfs", "/sys").into(),
    }
}
