//! Tasmota's telemetry: `tele/{device}/SENSOR` and `tele/{device}/STATE`, or `{device}/tele/…` where the full topic was
//! turned round.
//!
//! A value's type is its member's name, and the object it stands in (the chip) is the label `chip`. Units are those
//! of Tasmota's documentation, and of the members `TempUnit`, `PressureUnit` and `SpeedUnit`.
//!
//! `Time` is the device's local time without a zone unless its option 52 is on. Nobody but the device knows the zone,
//! so without one the time of arrival holds: an hour's shift twice a year is worse than a network's delay.

use std::sync::Arc;

use penstock_shared::reading::{TimestampMicros, Value};
use serde_json::{Map, Value as Json};

use super::findings::{Findings, check_name, is_value, label};
use super::heard::{Heard, clock_time};
use crate::config::TimeUnit;
use crate::decode::samples::Sample;

/// Chips stand in at most this many objects.
const MAX_DEPTH: usize = 4;

/// A longer text is no unit.
const MAX_UNIT_BYTES: usize = 16;

/// Members that are settings or names, not measurements.
const NO_MEASUREMENTS: [&str; 9] =
    ["Time", "Id", "Endpoint", "SleepMode", "Sleep", "AP", "Channel", "Group", "TotalStartTime"];

pub(super) fn read(heard: &Heard<'_>) -> Option<Findings> {
    let (device, kind) = device_and_kind(heard.topic)?;
    match kind {
        "SENSOR" | "STATE" => {}
        // Whether a device is there, and what it is: no measurements.
        "LWT" | "INFO1" | "INFO2" | "INFO3" | "UPTIME" => return Some(Findings::default()),
        _ => return None,
    }
    let members = match heard.object()? {
        Ok(members) => members,
        Err(fault) => return Some(Findings::fault(fault)),
    };
    let mut walk = Walk {
        units: Units::of(&members),
        source: device.into(),
        time: members.get("Time").and_then(|time| clock_time(time, TimeUnit::Rfc3339)),
        findings: Findings::default(),
    };
    walk.object(&members, &mut Vec::new());
    Some(walk.findings)
}

/// Tells whether a topic may be Tasmota's.
pub(super) fn may_claim(topic: &str) -> bool {
    device_and_kind(topic).is_some()
}

fn device_and_kind(topic: &str) -> Option<(&str, &str)> {
    let (path, kind) = topic.rsplit_once('/')?;
    let device = path.strip_prefix("tele/").or_else(|| path.strip_suffix("/tele"))?;
    Some((device, kind)).filter(|_| !device.is_empty())
}

struct Walk<'a> {
    units: Units<'a>,
    source: Arc<str>,
    time: Option<TimestampMicros>,
    findings: Findings,
}

impl<'a> Walk<'a> {
    fn object(&mut self, members: &'a Map<String, Json>, path: &mut Vec<&'a str>) {
        for (name, json) in members {
            if let Err(fault) = check_name(name) {
                self.findings.set_aside(fault);
                continue;
            }
            match json {
                Json::Object(deeper) if path.len() < MAX_DEPTH => {
                    path.push(name);
                    self.object(deeper, path);
                    path.pop();
                }
                // One value a phase or a channel.
                Json::Array(values) => {
                    for (position, json) in values.iter().enumerate().filter(|(_, json)| is_value(json)) {
                        let mut labels = chip(path);
                        labels.push(("channel".to_owned(), (position + 1).to_string()));
                        self.value(name, json, labels);
                    }
                }
                json if is_value(json) && !NO_MEASUREMENTS.contains(&name.as_str()) => {
                    self.value(name, json, chip(path));
                }
                _ => {}
            }
        }
    }

    fn value(&mut self, name: &str, json: &Json, labels: Vec<(String, String)>) {
        let sample = Sample { time: self.time, ..Sample::new(name, Value::Boolean(false)) };
        let sample = sample.with_unit(self.units.of_member(name));
        self.findings.push_json(&self.source, sample, json, labels);
    }
}

fn chip(path: &[&str]) -> Vec<(String, String)> {
    if path.is_empty() { Vec::new() } else { label("chip", path.join(".")) }
}

/// The units that a message names, with Tasmota's defaults.
struct Units<'a> {
    temperature: &'a str,
    pressure: &'a str,
    speed: &'a str,
}

impl<'a> Units<'a> {
    fn of(members: &'a Map<String, Json>) -> Self {
        let text = |name: &str| members.get(name).and_then(Json::as_str);
        let told = |name: &str| text(name).filter(|unit| unit.len() <= MAX_UNIT_BYTES);
        Self {
            temperature: if told("TempUnit") == Some("F") { "°F" } else { "°C" },
            pressure: told("PressureUnit").unwrap_or("hPa"),
            speed: told("SpeedUnit").unwrap_or_default(),
        }
    }

    fn of_member(&self, name: &str) -> &'a str {
        match name {
            "Temperature" | "DewPoint" | "HeatIndex" => self.temperature,
            "Pressure" | "SeaPressure" => self.pressure,
            "Speed" | "WindSpeed" => self.speed,
            "Humidity" | "Moisture" | "Battery" | "BatteryPercentage" | "RSSI" => "%",
            "Signal" => "dBm",
            "Illuminance" => "lx",
            "Gas" => "kΩ",
            "CarbonDioxide" | "CO2" | "eCO2" => "ppm",
            "TVOC" => "ppb",
            "PM1" | "PM2.5" | "PM10" => "µg/m³",
            "Distance" => "cm",
            "Voltage" | "Vcc" | "BatteryVoltage" => "V",
            "Current" => "A",
            "Power" | "ImportPower" | "ExportPower" => "W",
            "ApparentPower" => "VA",
            "ReactivePower" => "var",
            "Frequency" => "Hz",
            "Total" | "Today" | "Yesterday" | "ImportActive" | "ExportActive" => "kWh",
            "Period" => "Wh",
            "Weight" => "kg",
            "UptimeSec" => "s",
            "Heap" => "kB",
            _ => "",
        }
    }
}
