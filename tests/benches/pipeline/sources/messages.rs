//! Messages as devices of each dialect send them, five values in each where the dialect has room for several.

use penstock_tests::device::Message;
use serde_json::json;

/// A way to speak.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speech {
    pub(super) name: &'static str,
    /// Makes a device's message by its number, counted from 1; the first may announce the device.
    pub(super) next: fn(device: usize, number: u64) -> Message,
}

/// All that the agent understands; bare numbers, the yardstick, come first.
pub(super) const SPEECHES: [Speech; 10] = [
    Speech { name: "bare number", next: bare_number },
    Speech { name: "object with value and time", next: value_and_time },
    Speech { name: "object of five numbers", next: five_numbers },
    Speech { name: "Zigbee2MQTT", next: zigbee2mqtt },
    Speech { name: "Home Assistant's discovery", next: discovered },
    Speech { name: "Tasmota", next: tasmota },
    Speech { name: "Shelly", next: shelly },
    Speech { name: "InfluxDB line", next: influx_line },
    Speech { name: "SenML as JSON", next: senml_json },
    Speech { name: "SenML as CBOR", next: senml_cbor },
];

/// Sparkplug B counts its messages, so that each device needs a connection of its own.
pub(super) const SPARKPLUG: Speech = Speech { name: "Sparkplug B", next: sparkplug };

const EPOCH_MILLIS: u64 = 1_790_000_000_000;
const QUANTITIES: [&str; 5] = ["temperature", "humidity", "pressure", "battery", "linkquality"];

fn value(number: u64, quantity: usize) -> f64 {
    20.0 + quantity as f64 + (number % 1000) as f64 / 100.0
}

fn message(topic: String, payload: impl Into<Vec<u8>>) -> Message {
    Message { topic, payload: payload.into() }
}

fn bare_number(device: usize, number: u64) -> Message {
    message(format!("line{device}/press{}/temperature", number % 12), format!("{:.2}", value(number, 0)))
}

fn value_and_time(device: usize, number: u64) -> Message {
    let payload = format!("{{\"value\":{:.2},\"ts\":{}}}", value(number, 0), EPOCH_MILLIS + number);
    message(format!("line{device}/press{}/temperature", number % 12), payload)
}

fn members(number: u64) -> String {
    let member = |(place, name): (usize, &&str)| format!("\"{name}\":{:.2}", value(number, place));
    QUANTITIES.iter().enumerate().map(member).collect::<Vec<_>>().join(",")
}

fn five_numbers(device: usize, number: u64) -> Message {
    message(format!("line{device}/press{}", number % 12), format!("{{{}}}", members(number)))
}

fn zigbee2mqtt(device: usize, number: u64) -> Message {
    message(format!("zigbee2mqtt/sensor{device}_{}", number % 12), format!("{{{}}}", members(number)))
}

fn discovered(device: usize, number: u64) -> Message {
    if number == 1 {
        let component = |quantity: &str| {
            let template = format!("{{{{ value_json.{quantity} }}}}");
            (quantity.to_owned(), json!({ "p": "sensor", "dev_cla": quantity, "val_tpl": template }))
        };
        let components: serde_json::Map<_, _> = QUANTITIES.iter().map(|name| component(name)).collect();
        let config = json!({
            "dev": { "ids": "d", "name": format!("station{device}") },
            "stat_t": format!("station{device}/state"),
            "cmps": components,
        });
        return message(format!("homeassistant/device/station{device}/config"), config.to_string());
    }
    message(format!("station{device}/state"), format!("{{{}}}", members(number)))
}

fn tasmota(device: usize, number: u64) -> Message {
    let payload = format!(
        "{{\"Time\":\"2026-09-21T14:13:20\",\"BME280\":{{\"Temperature\":{:.1},\"Humidity\":{:.1},\"DewPoint\":{:.1},\
         \"Pressure\":{:.1}}},\"ANALOG\":{{\"Illuminance\":{:.0}}},\"TempUnit\":\"C\",\"PressureUnit\":\"hPa\"}}",
        value(number, 0),
        value(number, 1),
        value(number, 2),
        value(number, 3),
        value(number, 4)
    );
    message(format!("tele/station{device}_{}/SENSOR", number % 12), payload)
}

fn shelly(device: usize, number: u64) -> Message {
    let payload = format!(
        "{{\"src\":\"shelly{device}\",\"dst\":\"shelly/events\",\"method\":\"NotifyStatus\",\"params\":{{\"ts\":{},\
         \"switch:0\":{{\"id\":0,\"apower\":{:.1},\"voltage\":{:.1},\"current\":{:.2},\"aenergy\":{{\"total\":{:.1}}},\
         \"temperature\":{{\"tC\":{:.1}}}}}}}}}",
        (EPOCH_MILLIS + number) / 1000,
        value(number, 0),
        value(number, 1),
        value(number, 2),
        value(number, 3),
        value(number, 4)
    );
    message(format!("shelly{device}_{}/events/rpc", number % 12), payload)
}

fn influx_line(device: usize, number: u64) -> Message {
    let field = |(place, name): (usize, &&str)| format!("{name}={:.2}", value(number, place));
    let fields = QUANTITIES.iter().enumerate().map(field).collect::<Vec<_>>().join(",");
    let line = format!(
        "climate,host=station{device},hall=h{} {fields} {}000000",
        number % 12,
        EPOCH_MILLIS + number
    );
    message("telegraf/climate".to_owned(), line)
}

fn senml_json(device: usize, number: u64) -> Message {
    let base = format!("\"bn\":\"urn:dev:mac:{device:012x}:\",\"bt\":{},", (EPOCH_MILLIS + number) / 1000);
    let record = |(place, name): (usize, &&str)| {
        let base = if place == 0 { &base } else { "" };
        format!("{{{base}\"n\":\"{name}\",\"v\":{:.2}}}", value(number, place))
    };
    let records = QUANTITIES.iter().enumerate().map(record).collect::<Vec<_>>().join(",");
    message(format!("senml/{device}"), format!("[{records}]"))
}

/// The same pack; lengths below 24 stand in the first byte.
fn senml_cbor(device: usize, number: u64) -> Message {
    let mut pack = vec![0x80 | QUANTITIES.len() as u8];
    for (place, name) in QUANTITIES.iter().enumerate() {
        let base = format!("urn:dev:mac:{device:08x}:");
        if place == 0 {
            pack.extend([0xa4, 0x21, 0x60 | base.len() as u8]);
            pack.extend(base.bytes());
            pack.extend([0x22, 0xfb]);
            pack.extend((((EPOCH_MILLIS + number) / 1000) as f64).to_be_bytes());
        } else {
            pack.push(0xa2);
        }
        pack.extend([0x00, 0x60 | name.len() as u8]);
        pack.extend(name.bytes());
        pack.extend([0x02, 0xfb]);
        pack.extend(value(number, place).to_be_bytes());
    }
    message(format!("senml/{device}"), pack)
}

fn sparkplug(device: usize, number: u64) -> Message {
    let metric = |(place, name): (usize, &&str)| {
        let mut metric = Vec::new();
        if number == 1 {
            metric.extend([0x0a, name.len() as u8]);
            metric.extend(name.bytes());
            metric.extend([0x20, 10]);
        }
        // Alias and double.
        metric.extend([0x10, place as u8 + 1, 0x69]);
        metric.extend(value(number, place).to_le_bytes());
        [vec![0x12, metric.len() as u8], metric].concat()
    };
    let mut payload = vec![0x08];
    put_varint(&mut payload, EPOCH_MILLIS + number);
    payload.extend(QUANTITIES.iter().enumerate().flat_map(metric));
    payload.push(0x18);
    put_varint(&mut payload, (number - 1) % 256);
    let kind = if number == 1 { "NBIRTH" } else { "NDATA" };
    message(format!("spBv1.0/plant/{kind}/edge{device}"), payload)
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
