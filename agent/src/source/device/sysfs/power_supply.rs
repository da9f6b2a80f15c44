//! `/sys/class/power_supply`: batteries, mains adapters, solar chargers; in millionths.

use std::path::Path;

use penstock_shared::reading::Value;

use super::{Found, Quantity, devices, number, text};
use crate::decode::Sample;

const QUANTITIES: [Quantity; 9] = [
    Quantity { prefix: "capacity", name: "charge_level", scale: 1.0, unit: "%" },
    Quantity { prefix: "voltage_now", name: "voltage", scale: 1e-6, unit: "V" },
    Quantity { prefix: "current_now", name: "current", scale: 1e-6, unit: "A" },
    Quantity { prefix: "power_now", name: "power", scale: 1e-6, unit: "W" },
    Quantity { prefix: "energy_now", name: "energy", scale: 1e-6, unit: "Wh" },
    Quantity { prefix: "charge_now", name: "charge", scale: 1e-6, unit: "Ah" },
    Quantity { prefix: "temp", name: "temperature", scale: 0.1, unit: "°C" },
    Quantity { prefix: "cycle_count", name: "charge_cycles", scale: 1.0, unit: "" },
    Quantity { prefix: "time_to_empty_now", name: "time_to_empty", scale: 1.0, unit: "s" },
];

pub(super) fn read(directory: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for (name, path) in devices(directory) {
        let part = format!("power/{name}");
        for quantity in &QUANTITIES {
            if let Some(raw) = number(&path.join(quantity.prefix)) {
                found.push(Found::number(&part, quantity.name, raw * quantity.scale, quantity.unit));
            }
        }
        if let Some(online) = number(&path.join("online")) {
            let sample = Sample::new("online", Value::Boolean(online != 0.0));
            found.push(Found { part: part.clone(), sample });
        }
        if let Some(status) = text(&path.join("status")) {
            found.push(Found { part, sample: Sample::new("status", Value::Text(status)) });
        }
    }
    found
}
