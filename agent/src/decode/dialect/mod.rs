//! What devices say in their makers' own ways, understood without a mapping.
//!
//! ```text
//! topic, payload ─▶ the first dialect whose shape it has ─▶ Findings ─▶ readings, dead letters, asks
//! ```
//!
//! Tried after the operator's mappings and before the default mapping. A dialect answers None to what is not its
//! own, which the default mapping then reads. Pure, as all of decoding; what a dialect must remember (discovered
//! entities, metric aliases) is bounded. This module must not know which source a message came by.

mod findings;
mod heard;
mod home_assistant;
mod influx_line;
mod senml;
mod shelly;
mod sparkplug;
mod tasmota;

pub(super) use findings::Findings;
pub(super) use heard::Heard;
pub(super) use influx_line::read_lines;
pub use sparkplug::SparkplugCounts;

use crate::config::{DecodeSettings, Dialect, TimeUnit};
use home_assistant::HomeAssistant;
use sparkplug::Sparkplug;

/// The dialects that one decoder understands, with what they remember.
#[derive(Debug, Default)]
pub(super) struct Dialects {
    sparkplug: Option<Sparkplug>,
    tasmota: bool,
    shelly: bool,
    home_assistant: Option<HomeAssistant>,
    influx_line: Option<TimeUnit>,
    senml: bool,
}

impl Dialects {
    pub(super) fn new(settings: &DecodeSettings) -> Self {
        let speaks = |dialect| settings.dialects.contains(&dialect);
        Self {
            sparkplug: speaks(Dialect::SparkplugB).then(Sparkplug::default),
            tasmota: speaks(Dialect::Tasmota),
            shelly: speaks(Dialect::Shelly),
            home_assistant: speaks(Dialect::HomeAssistant).then(HomeAssistant::default),
            influx_line: speaks(Dialect::InfluxLine).then_some(settings.influx_precision),
            senml: speaks(Dialect::Senml),
        }
    }

    /// Reads a message, if it is in a dialect.
    ///
    /// Topics that say by themselves whose they are come first, so that a discovery that arrives later does not
    /// rename a series.
    pub(super) fn read(&mut self, heard: &Heard<'_>) -> Option<Findings> {
        if !self.may_claim(heard) {
            return None;
        }
        self.claimed(heard)
    }

    fn claimed(&mut self, heard: &Heard<'_>) -> Option<Findings> {
        None.or_else(|| self.sparkplug.as_mut()?.read(heard))
            .or_else(|| self.tasmota.then(|| tasmota::read(heard))?)
            .or_else(|| self.shelly.then(|| shelly::read(heard))?)
            .or_else(|| self.home_assistant.as_mut()?.read(heard))
            .or_else(|| influx_line::read(heard, self.influx_line?))
            .or_else(|| self.senml.then(|| senml::read(heard))?)
    }

    /// Tells whether a dialect may know the message: most are nobody's, and must not pay for being asked by all.
    fn may_claim(&self, heard: &Heard<'_>) -> bool {
        let topic = heard.topic;
        sparkplug::may_claim(topic)
            || tasmota::may_claim(topic)
            || shelly::may_claim(topic)
            || influx_line::may_claim(topic)
            || senml::may_claim(heard)
            || self.home_assistant.as_ref().is_some_and(|known| known.may_claim(topic))
    }

    /// Tells whether a topic is wanted although the broker kept it from before: it describes, it does not measure.
    pub(super) fn wants_retained(&self, topic: &str) -> bool {
        self.home_assistant.is_some() && home_assistant::is_config_topic(topic)
    }

    /// Returns what Sparkplug nodes did so far.
    pub(super) fn sparkplug_counts(&self) -> SparkplugCounts {
        self.sparkplug.as_ref().map(Sparkplug::counts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
