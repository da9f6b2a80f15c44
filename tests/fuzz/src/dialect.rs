//! Makers' dialects, each by itself.

use std::sync::LazyLock;

use penstock_agent::config::Settings;
use penstock_agent::decode::Decoder;

use crate::memory::bounded;
use crate::messages::{decoder, message, messages, settings};
use crate::outcome::{NOW, check, check_told};

static HOME_ASSISTANT: LazyLock<Settings> = LazyLock::new(|| only(&["home_assistant"]));
static TASMOTA_SHELLY: LazyLock<Settings> = LazyLock::new(|| only(&["tasmota", "shelly"]));
static INFLUX_LINE: LazyLock<Settings> = LazyLock::new(|| only(&["influx_line"]));
static LINES_MAPPED: LazyLock<Settings> = LazyLock::new(|| {
    let mapping = "topic = \"plant/{hall}\"\nformat = \"influx_line\"\ntime_unit = \"auto\"\n";
    settings(&format!("[[mapping]]\n{mapping}labels = {{ site = \"north\" }}\n"))
});
static SENML: LazyLock<Settings> = LazyLock::new(|| only(&["senml"]));
static SPARKPLUG: LazyLock<Settings> = LazyLock::new(|| only(&["sparkplug_b"]));

fn only(dialects: &[&str]) -> Settings {
    settings(&format!("[decode]\ndialects = {dialects:?}\n"))
}

/// Announcements, states and what Zigbee2MQTT says, in their order: one decoder hears them all.
pub(crate) fn home_assistant(bytes: &[u8]) {
    let mut decoder = decoder(&HOME_ASSISTANT);
    for (topic, payload) in messages(bytes) {
        check(&bounded(|| decoder.decode(&topic, payload, NOW)));
    }
}

/// One message.
pub(crate) fn tasmota_shelly(bytes: &[u8]) {
    let (topic, payload) = message(bytes);
    let mut decoder = decoder(&TASMOTA_SHELLY);
    check(&bounded(|| decoder.decode(&topic, payload, NOW)));
}

/// One payload, on a topic of the dialect and on one that is mapped.
pub(crate) fn influx_line(bytes: &[u8]) {
    for (settings, topic) in [(&INFLUX_LINE, "plant/influx"), (&LINES_MAPPED, "plant/hall1")] {
        let mut decoder = decoder(settings);
        let decoded = bounded(|| decoder.decode(topic, bytes, NOW));
        if bytes.split(|byte| *byte == b'\n').any(is_line) {
            check_told(&decoded);
        } else {
            check(&decoded);
        }
    }
}

fn is_line(line: &[u8]) -> bool {
    String::from_utf8_lossy(line).trim().starts_with(|first| first != '#')
}

/// One pack.
pub(crate) fn senml(bytes: &[u8]) {
    let mut decoder = decoder(&SENML);
    check(&bounded(|| decoder.decode("plant/pack", bytes, NOW)));
}

/// Messages of a plant in their order, each a byte that chooses its topic, the payload's length, and the payload.
pub(crate) fn sparkplug(bytes: &[u8]) {
    let mut decoder = decoder(&SPARKPLUG);
    let mut rest = bytes;
    while let Some((topic, payload, after)) = sparkplug_message(rest) {
        hear(&mut decoder, topic, payload);
        rest = after;
    }
}

const SPARKPLUG_TOPICS: [&str; 10] = [
    "spBv1.0/plant/NBIRTH/edge1",
    "spBv1.0/plant/NDATA/edge1",
    "spBv1.0/plant/NDEATH/edge1",
    "spBv1.0/plant/DBIRTH/edge1/press4",
    "spBv1.0/plant/DDATA/edge1/press4",
    "spBv1.0/plant/DDEATH/edge1/press4",
    "spBv1.0/plant/DDATA/edge1/other",
    "spBv1.0/plant/NBIRTH/edge2",
    "spBv1.0/plant/NDATA/edge2",
    "spBv1.0/plant/NCMD/edge1",
];

/// Lengths have three bytes, the most significant last; a longer payload ends with the input.
fn sparkplug_message(bytes: &[u8]) -> Option<(&'static str, &[u8], &[u8])> {
    let ([topic, low, middle, high], rest) = bytes.split_first_chunk()?;
    let length = u32::from_le_bytes([*low, *middle, *high, 0]) as usize;
    let (payload, after) = rest.split_at(length.min(rest.len()));
    Some((SPARKPLUG_TOPICS[usize::from(*topic) % SPARKPLUG_TOPICS.len()], payload, after))
}

fn hear(decoder: &mut Decoder, topic: &str, payload: &[u8]) {
    let decoded = bounded(|| decoder.decode(topic, payload, NOW));
    check(&decoded);
    assert!(decoded.asks.len() <= 1, "one birth is asked for at a time");
}
