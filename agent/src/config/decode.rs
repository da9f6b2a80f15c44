//! `[decode]`: which makers' dialects are understood without a mapping.

use super::TimeUnit;
use super::section::Section;

/// A way in which devices already speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Home Assistant's MQTT discovery, as ESPHome uses it, and Zigbee2MQTT with and without it.
    HomeAssistant,
    /// Tasmota's telemetry.
    Tasmota,
    /// Shelly from its second generation on.
    Shelly,
    /// InfluxDB's line protocol.
    InfluxLine,
    /// SenML, RFC 8428, as JSON and as CBOR.
    Senml,
    /// Eclipse Sparkplug B.
    SparkplugB,
}

const DIALECTS: [(&str, Dialect); 6] = [
    ("home_assistant", Dialect::HomeAssistant),
    ("tasmota", Dialect::Tasmota),
    ("shelly", Dialect::Shelly),
    ("influx_line", Dialect::InfluxLine),
    ("senml", Dialect::Senml),
    ("sparkplug_b", Dialect::SparkplugB),
];

const PRECISIONS: [(&str, TimeUnit); 5] = [
    ("auto", TimeUnit::Auto),
    ("s", TimeUnit::Seconds),
    ("ms", TimeUnit::Millis),
    ("us", TimeUnit::Micros),
    ("ns", TimeUnit::Nanos),
];

/// What is understood without a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeSettings {
    /// Default: all. Each claims only topics or payloads of its own shape, of which the default mapping would make
    /// dead letters, or series without units and devices' names: none takes a plain number or a flat object away.
    pub dialects: Vec<Dialect>,
    /// The unit of timestamps in line protocol. Default: nanoseconds, as InfluxDB's own.
    pub influx_precision: TimeUnit,
}

impl Default for DecodeSettings {
    fn default() -> Self {
        let dialects = DIALECTS.iter().map(|(_, dialect)| *dialect).collect();
        Self { dialects, influx_precision: TimeUnit::Nanos }
    }
}

pub(super) fn read(section: &mut Section<'_>) -> DecodeSettings {
    let default = DecodeSettings::default();
    let words = section.texts("dialects", &DIALECTS.map(|(word, _)| word));
    let mut dialects = Vec::with_capacity(words.len());
    for word in words {
        match DIALECTS.iter().find(|(known, _)| *known == word) {
            Some((_, dialect)) => dialects.push(*dialect),
            None => {
                let known = DIALECTS.map(|(known, _)| known).join(", ");
                section.fault("dialects", format!("has {word:?}, which is none of {known}"));
            }
        }
    }
    let influx_precision = section.choice("influx_precision", default.influx_precision, &PRECISIONS);
    DecodeSettings { dialects, influx_precision }
}
