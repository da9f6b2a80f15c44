//! Shelly from its second generation on: `{device}/events/rpc` with `NotifyStatus` and `NotifyFullStatus`.
//!
//! `params` holds the time of the device and one object a component, such as `switch:0`, which becomes the label
//! `component`; a phase becomes the label `phase`. Member names are spelled out (`tC` is `temperature` in °C), as
//! Shelly's differ between components for the same quantity. Events such as a pressed button are no measurements.

use std::sync::Arc;

use penstock_shared::reading::{TimestampMicros, Value};
use serde_json::{Map, Value as Json};

use super::findings::{Findings, check_name, is_value, label};
use super::heard::{Heard, clock_time};
use crate::config::TimeUnit;
use crate::decode::samples::Sample;

const TOPIC_END: &str = "/events/rpc";
/// Objects within a component are looked into this far, as in `aenergy.total`.
const MAX_DEPTH: usize = 3;
/// Components that tell of the connection and the program, not of a measurement.
const NO_SENSORS: [&str; 9] = ["ts", "cloud", "mqtt", "ws", "ble", "script", "knx", "bthome", "matter"];
/// Members that are numbers and no measurements: the same value in another unit, and bookkeeping.
const NO_MEASUREMENTS: [&str; 12] = [
    "id",
    "tF",
    "minute_ts",
    "unixtime",
    "cfg_rev",
    "kvs_rev",
    "schedule_rev",
    "webhook_rev",
    "restart_required",
    "last_sync_ts",
    "utc_offset",
    "transition",
];
const PHASES: [(&str, &str); 5] = [("a_", "a"), ("b_", "b"), ("c_", "c"), ("n_", "n"), ("total_", "total")];

/// Tells whether a topic may be Shelly's.
pub(super) fn may_claim(topic: &str) -> bool {
    topic.ends_with(TOPIC_END)
}

pub(super) fn read(heard: &Heard<'_>) -> Option<Findings> {
    let device = heard.topic.strip_suffix(TOPIC_END).filter(|device| !device.is_empty())?;
    let message = match heard.object()? {
        Ok(message) => message,
        Err(fault) => return Some(Findings::fault(fault)),
    };
    let mut findings = Findings::default();
    let method = message.get("method").and_then(Json::as_str)?;
    if !matches!(method, "NotifyStatus" | "NotifyFullStatus") {
        return Some(findings);
    }
    let params = message.get("params").and_then(Json::as_object)?;
    let source: Arc<str> = device.into();
    let time = params.get("ts").and_then(|ts| clock_time(ts, TimeUnit::Seconds));
    for (component, state) in params {
        if let Err(fault) = check_name(component) {
            findings.set_aside(fault);
            continue;
        }
        let kind = component.split(':').next().unwrap_or_default();
        if let (Json::Object(members), false) = (state, NO_SENSORS.contains(&kind)) {
            let mut walk = Walk { source: &source, component, kind, time, findings: &mut findings };
            walk.object(members, &mut Vec::new());
        }
    }
    Some(findings)
}

struct Walk<'a> {
    source: &'a Arc<str>,
    component: &'a str,
    kind: &'a str,
    time: Option<TimestampMicros>,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    fn object<'m>(&mut self, members: &'m Map<String, Json>, path: &mut Vec<&'m str>) {
        for (name, json) in members {
            if let Err(fault) = check_name(name) {
                self.findings.set_aside(fault);
                continue;
            }
            path.push(name);
            match json {
                Json::Object(deeper) if path.len() < MAX_DEPTH => self.object(deeper, path),
                json if is_value(json) && !NO_MEASUREMENTS.contains(&name.as_str()) => {
                    self.value(&path.join("."), json);
                }
                _ => {}
            }
            path.pop();
        }
    }

    fn value(&mut self, path: &str, json: &Json) {
        let mut labels = label("component", self.component);
        let phase = PHASES.iter().find_map(|(start, phase)| Some((path.strip_prefix(start)?, *phase)));
        let metered = matches!(self.kind, "em" | "em1" | "emdata" | "em1data");
        let member = match phase.filter(|_| metered) {
            Some((member, phase)) => {
                labels.push(("phase".to_owned(), phase.to_owned()));
                member
            }
            None => path,
        };
        let (name, unit) = quantity(self.kind, member);
        let sample = Sample { time: self.time, ..Sample::new(name, Value::Boolean(false)) }.with_unit(unit);
        self.findings.push_json(self.source, sample, json, labels);
    }
}

/// Returns the quantity's plain name and its unit, by Shelly's documentation; another member keeps its own name.
fn quantity<'a>(kind: &str, member: &'a str) -> (&'a str, &'static str) {
    match (kind, member) {
        (_, "tC" | "temperature.tC") => ("temperature", "°C"),
        (_, "current_C") => ("temperature", "°C"),
        (_, "target_C") => ("target_temperature", "°C"),
        (_, "rh") => ("humidity", "%"),
        (_, "apower" | "act_power") => ("power", "W"),
        (_, "aprt_power") => ("apparent_power", "VA"),
        (_, "voltage" | "battery.V") => ("voltage", "V"),
        (_, "current") => ("current", "A"),
        (_, "pf") => ("power_factor", ""),
        (_, "freq") => ("frequency", "Hz"),
        (_, "aenergy.total" | "total_act_energy" | "act" | "act_energy") => ("energy", "Wh"),
        (_, "ret_aenergy.total" | "total_act_ret_energy" | "act_ret") => ("returned_energy", "Wh"),
        (_, "lux") => ("illuminance", "lx"),
        (_, "battery.percent") => ("battery", "%"),
        ("cover", "current_pos") => ("position", "%"),
        ("cover", "target_pos") => ("target_position", "%"),
        ("light" | "rgb" | "rgbw" | "cct", "brightness") => ("brightness", "%"),
        ("input", "percent") => ("percent", "%"),
        ("wifi", "rssi") => ("rssi", "dBm"),
        ("sys", "uptime") => ("uptime", "s"),
        ("sys", "ram_size" | "ram_free" | "ram_min_free" | "fs_size" | "fs_free") => (member, "B"),
        _ => (member, ""),
    }
}
