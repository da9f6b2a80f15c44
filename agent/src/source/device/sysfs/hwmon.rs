//! `/sys/class/hwmon`: chips with channels such as `temp1_input`, in thousandths.

use std::path::Path;

use super::{Found, Quantity, channel, devices, entries, number, text};

const QUANTITIES: [Quantity; 8] = [
    Quantity { prefix: "temp", name: "temperature", scale: 1e-3, unit: "°C" },
    Quantity { prefix: "in", name: "voltage", scale: 1e-3, unit: "V" },
    Quantity { prefix: "curr", name: "current", scale: 1e-3, unit: "A" },
    Quantity { prefix: "power", name: "power", scale: 1e-6, unit: "W" },
    Quantity { prefix: "energy", name: "energy", scale: 1e-6, unit: "J" },
    Quantity { prefix: "humidity", name: "humidity", scale: 1e-3, unit: "%" },
    Quantity { prefix: "fan", name: "fan_speed", scale: 1.0, unit: "rpm" },
    Quantity { prefix: "freq", name: "frequency", scale: 1.0, unit: "Hz" },
];

pub(super) fn read(directory: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for (device, path) in devices(directory) {
        let chip = text(&path.join("name")).unwrap_or(device);
        for (file, input) in entries(&path) {
            let Some((prefix, index)) = channel(&file, "_input") else { continue };
            let Some(quantity) = QUANTITIES.iter().find(|quantity| quantity.prefix == prefix) else {
                continue;
            };
            let Some(raw) = number(&input) else { continue };
            let label = text(&path.join(format!("{prefix}{index}_label")));
            let label = label.unwrap_or_else(|| format!("{prefix}{index}"));
            found.push(Found::number(
                format!("{chip}/{label}"),
                quantity.name,
                raw * quantity.scale,
                quantity.unit,
            ));
        }
    }
    number_namesakes(&mut found);
    found
}

/// Tells two chips of one name apart, such as two disks, by counting them: `nvme/Composite`, `nvme/Composite 2`.
fn number_namesakes(found: &mut [Found]) {
    let mut seen = std::collections::HashMap::new();
    for value in found {
        let times: &mut u32 = seen.entry((value.part.clone(), value.sample.name.clone())).or_default();
        *times += 1;
        if *times > 1 {
            value.part = format!("{} {times}", value.part);
        }
    }
}
