//! `[[mapping]]`: how one kind of topic becomes readings. Resolved by the decoder.

use std::collections::BTreeMap;

use super::pointer::JsonPointer;
use super::section::Section;
use super::template::{Template, TopicTemplate};

/// How a device writes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeUnit {
    /// RFC 3339 for texts; for numbers the unit that their magnitude tells.
    #[default]
    Auto,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
    /// Microseconds since 1970.
    Micros,
    /// Nanoseconds since 1970.
    Nanos,
    /// A text such as `2026-01-31T12:00:00.5+01:00`.
    Rfc3339,
}

/// What a mapping's payloads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PayloadFormat {
    /// JSON or a bare value.
    #[default]
    Auto,
    /// InfluxDB's line protocol, which names types and labels itself.
    InfluxLine,
}

/// One rule from topic and payload to readings.
#[derive(Debug, Clone, PartialEq)]
pub struct MappingSettings {
    /// Which topics, and what their levels mean.
    pub topic: TopicTemplate,
    /// Default: auto.
    pub format: PayloadFormat,
    /// Where the one value is; empty means the whole payload, or its member `value` where it is an object. Unused when
    /// `values` has entries.
    pub value: JsonPointer,
    /// Several values a message: type and where its value is.
    pub values: Vec<(String, JsonPointer)>,
    /// Where the device's time is; none takes the time of arrival.
    pub time: Option<JsonPointer>,
    /// Default: auto.
    pub time_unit: TimeUnit,
    /// The type, from the topic's names or fixed; none takes the topic's `{type}`.
    pub event_type: Option<Template>,
    /// The source, likewise; none takes the topic's `{source}`, or else the agent's id.
    pub source: Option<Template>,
    /// Further labels.
    pub labels: Vec<(String, Template)>,
}

impl MappingSettings {
    /// Tells whether the payload as a whole is the value.
    #[must_use]
    pub fn reads_whole_payload(&self) -> bool {
        self.values.is_empty() && self.value.is_whole()
    }
}

pub(super) const TIME_UNITS: [(&str, TimeUnit); 6] = [
    ("auto", TimeUnit::Auto),
    ("s", TimeUnit::Seconds),
    ("ms", TimeUnit::Millis),
    ("us", TimeUnit::Micros),
    ("ns", TimeUnit::Nanos),
    ("rfc3339", TimeUnit::Rfc3339),
];

pub(super) fn read(section: &mut Section<'_>) -> MappingSettings {
    let topic_text = section.text("topic", "");
    let topic = TopicTemplate::parse(&topic_text).unwrap_or_else(|error| {
        section.fault("topic", error.to_string());
        TopicTemplate::default()
    });
    let formats = [("auto", PayloadFormat::Auto), ("influx_line", PayloadFormat::InfluxLine)];
    let format = section.choice("format", PayloadFormat::Auto, &formats);
    let value = section.text("value", "");
    let value = pointer(section, "value", &value).unwrap_or_default();
    let value_table: BTreeMap<String, String> = section.text_table("values");
    let mut values = Vec::with_capacity(value_table.len());
    for (event_type, text) in value_table {
        values.extend(pointer(section, "values", &text).map(|pointer| (event_type, pointer)));
    }
    let time = section.optional_text("time").and_then(|text| pointer(section, "time", &text));
    let time_unit = section.choice("time_unit", TimeUnit::Auto, &TIME_UNITS);
    let event_type = template(section, "type", &topic);
    let source = template(section, "source", &topic);
    let label_table = section.text_table("labels");
    let mut labels = Vec::with_capacity(label_table.len());
    for (name, text) in label_table {
        labels.extend(parse_template(section, "labels", &text, &topic).map(|template| (name, template)));
    }
    let names_no_type = format == PayloadFormat::Auto && !topic.captures("type");
    if names_no_type && event_type.is_none() && values.is_empty() {
        section.fault("type", "is needed, as neither the topic has {type} nor is there a table of values");
    }
    MappingSettings { topic, format, value, values, time, time_unit, event_type, source, labels }
}

fn pointer(section: &mut Section<'_>, key: &str, text: &str) -> Option<JsonPointer> {
    JsonPointer::parse(text).map_err(|error| section.fault(key, error.to_string())).ok()
}

fn template(section: &mut Section<'_>, key: &str, topic: &TopicTemplate) -> Option<Template> {
    let text = section.optional_text(key)?;
    parse_template(section, key, &text, topic)
}

fn parse_template(
    section: &mut Section<'_>,
    key: &str,
    text: &str,
    topic: &TopicTemplate,
) -> Option<Template> {
    match Template::parse(text) {
        Ok(template) => {
            for name in template.names().filter(|name| !topic.captures(name)) {
                section.fault(key, format!("uses {{{name}}}, which the topic does not have"));
            }
            Some(template)
        }
        Err(error) => {
            section.fault(key, error.to_string());
            None
        }
    }
}
