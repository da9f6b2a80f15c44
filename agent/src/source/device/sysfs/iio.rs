//! `/sys/bus/iio/devices`: industrial I/O, as `in_temp_input`, or raw with offset and scale.

use std::path::Path;

use super::{Found, Quantity, channel, devices, entries, number, text};

const QUANTITIES: [Quantity; 11] = [
    Quantity { prefix: "temp", name: "temperature", scale: 1e-3, unit: "°C" },
    Quantity { prefix: "humidityrelative", name: "humidity", scale: 1e-3, unit: "%" },
    Quantity { prefix: "pressure", name: "pressure", scale: 10.0, unit: "hPa" },
    Quantity { prefix: "voltage", name: "voltage", scale: 1e-3, unit: "V" },
    Quantity { prefix: "current", name: "current", scale: 1e-3, unit: "A" },
    Quantity { prefix: "power", name: "power", scale: 1e-3, unit: "W" },
    Quantity { prefix: "illuminance", name: "illuminance", scale: 1.0, unit: "lx" },
    Quantity { prefix: "distance", name: "distance", scale: 1.0, unit: "m" },
    Quantity { prefix: "resistance", name: "resistance", scale: 1.0, unit: "Ω" },
    Quantity { prefix: "concentration_co2", name: "co2", scale: 1e4, unit: "ppm" },
    Quantity { prefix: "ph", name: "ph", scale: 1.0, unit: "pH" },
];

pub(super) fn read(directory: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for (device, path) in devices(directory).into_iter().filter(|(name, _)| name.starts_with("iio:device")) {
        let chip = text(&path.join("name")).unwrap_or_else(|| device.clone());
        let index = device.trim_start_matches("iio:device");
        for (file, _) in entries(&path) {
            let Some((stem, channel)) = processed(&file).or_else(|| raw(&file)) else { continue };
            let Some(quantity) = QUANTITIES.iter().find(|quantity| quantity.prefix == stem) else { continue };
            let Some(value) = value(&path, stem, channel, file.ends_with("_raw")) else { continue };
            let part = format!("{chip} {index}/{}{channel}", quantity.name);
            found.push(Found::number(part, quantity.name, value * quantity.scale, quantity.unit));
        }
    }
    found
}

fn processed(file: &str) -> Option<(&str, &str)> {
    split(file.strip_prefix("in_")?.strip_suffix("_input")?)
}

fn raw(file: &str) -> Option<(&str, &str)> {
    split(file.strip_prefix("in_")?.strip_suffix("_raw")?)
}

/// Splits `voltage0` into kind and channel. `co2` is a kind, its 2 no channel.
fn split(stem: &str) -> Option<(&str, &str)> {
    if stem == "concentration_co2" {
        return Some((stem, ""));
    }
    channel(stem, "")
}

/// (raw + offset) × scale, where the driver gives no processed value; each may stand for one channel or for all.
fn value(path: &Path, stem: &str, channel: &str, is_raw: bool) -> Option<f64> {
    let of = |what: &str| {
        let one = number(&path.join(format!("in_{stem}{channel}_{what}")));
        one.or_else(|| number(&path.join(format!("in_{stem}_{what}"))))
    };
    if !is_raw {
        return number(&path.join(format!("in_{stem}{channel}_input")));
    }
    // A driver that gives both is read once, processed.
    if path.join(format!("in_{stem}{channel}_input")).exists() {
        return None;
    }
    let raw = number(&path.join(format!("in_{stem}{channel}_raw")))?;
    Some((raw + of("offset").unwrap_or(0.0)) * of("scale").unwrap_or(1.0))
}
