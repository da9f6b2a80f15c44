//! Zigbee2MQTT without discovery: `zigbee2mqtt/{friendly name}` with an object, of which each value is a type.
//!
//! The names are those that its discovery would give, so that a series keeps its name when discovery is switched on.

use std::sync::Arc;

use super::{device_time, read_members};
use crate::decode::dialect::findings::Findings;
use crate::decode::dialect::heard::Heard;

/// What every topic begins with.
pub(super) const BASE: &str = "zigbee2mqtt/";

pub(super) fn read(heard: &Heard<'_>) -> Option<Findings> {
    let device = heard.topic.strip_prefix(BASE)?;
    if device.starts_with("bridge/") || device.ends_with("/availability") {
        return Some(Findings::default());
    }
    // What is sent to devices is no measurement.
    if ["/set", "/get"].iter().any(|end| device.ends_with(end)) {
        return Some(Findings::default());
    }
    let members = match heard.object()? {
        Ok(members) => members,
        Err(fault) => return Some(Findings::fault(fault)),
    };
    let mut findings = Findings::default();
    let source: Arc<str> = device.into();
    read_members(&mut findings, &source, members.iter(), device_time(&members));
    Some(findings)
}

/// Returns the unit of a member that has the same one for all devices; `voltage` is millivolts for some, volts for
/// others.
pub(super) fn unit(name: &str) -> &'static str {
    match name {
        "temperature" | "device_temperature" | "local_temperature" => "°C",
        "humidity" | "soil_moisture" | "battery" => "%",
        "pressure" => "hPa",
        "illuminance" | "illuminance_lux" => "lx",
        "power" => "W",
        "energy" => "kWh",
        "current" => "A",
        "co2" => "ppm",
        "pm25" | "pm10" => "µg/m³",
        "linkquality" => "lqi",
        _ => "",
    }
}
