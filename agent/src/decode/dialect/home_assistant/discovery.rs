//! What an announcement says: `homeassistant/{component}/[{node}/]{object}/config`, with its many abbreviations.

use std::sync::Arc;

use penstock_shared::reading::MAX_NAME_BYTES;
use serde_json::{Map, Value as Json};

use super::entity::{Entity, Switching};
use super::template::Template;

/// What every announcement's topic begins with.
pub(super) const PREFIX: &str = "homeassistant/";
/// Longer topics are not remembered.
const MAX_TOPIC_BYTES: usize = 512;
/// Components in the announcement of a whole device that are looked at.
const MAX_COMPONENTS: usize = 200;

/// Components whose state is a measurement or a switch's position; others (lights, buttons, updates) are left alone.
const READ: [&str; 4] = ["sensor", "binary_sensor", "switch", "number"];

/// The topic of an announcement, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConfigTopic<'a> {
    whole: &'a str,
    component: &'a str,
    node: Option<&'a str>,
    object: &'a str,
}

impl<'a> ConfigTopic<'a> {
    pub(super) fn parse(topic: &'a str) -> Option<Self> {
        let mut levels = topic.strip_prefix(PREFIX)?.strip_suffix("/config")?.split('/');
        let (component, second, third) = (levels.next()?, levels.next()?, levels.next());
        if levels.next().is_some() || topic.len() > MAX_TOPIC_BYTES {
            return None;
        }
        let (node, object) = third.map_or((None, second), |object| (Some(second), object));
        Some(Self { whole: topic, component, node, object })
    }
}

/// Returns the entities that an announcement describes and that can be read, each with its state topic.
///
/// An entity whose template is beyond the common shapes is left out: its topic's members are then read by name.
pub(super) fn entities(topic: &ConfigTopic<'_>, config: &Map<String, Json>) -> Vec<(String, Entity)> {
    if topic.component != "device" {
        let fields = Fields { own: config, shared: config };
        return fields.entity(topic, topic.component, topic.object).into_iter().collect();
    }
    let components = config.get("components").or_else(|| config.get("cmps")).and_then(Json::as_object);
    let components = components.into_iter().flatten().take(MAX_COMPONENTS);
    let entity = |(id, own): (&String, &Json)| {
        let fields = Fields { own: own.as_object()?, shared: config };
        let component = fields.text("platform", "p")?;
        fields.entity(topic, component, id)
    };
    components.filter_map(entity).collect()
}

/// An entity's own fields, and those of its announcement.
#[derive(Clone, Copy)]
struct Fields<'a> {
    own: &'a Map<String, Json>,
    shared: &'a Map<String, Json>,
}

impl<'a> Fields<'a> {
    fn entity(&self, topic: &ConfigTopic<'_>, component: &str, id: &str) -> Option<(String, Entity)> {
        if !READ.contains(&component) || id.len() > MAX_NAME_BYTES {
            return None;
        }
        let state_topic = self.topic("state_topic", "stat_t")?;
        let template = match self.text("value_template", "val_tpl") {
            Some(text) => Template::parse(text)?,
            None => Template::default(),
        };
        let class = self.short_text("device_class", "dev_cla");
        let member = template.last_member();
        let event_type = class.or(member).unwrap_or(id).to_owned();
        let name =
            self.short_text("name", "name").or(member).filter(|name| !says_the_same(name, &event_type));
        let entity = Entity {
            config_topic: topic.whole.into(),
            name: name.map(Into::into),
            source: self.device(topic),
            unit: self.short_text("unit_of_measurement", "unit_of_meas").unwrap_or_default().into(),
            switching: self.switching(component),
            event_type,
            template,
        };
        Some((state_topic, entity))
    }

    fn json(&self, long: &str, short: &str) -> Option<&'a Json> {
        [self.own, self.shared].into_iter().find_map(|fields| fields.get(long).or_else(|| fields.get(short)))
    }

    fn text(&self, long: &str, short: &str) -> Option<&'a str> {
        self.json(long, short)?.as_str().filter(|text| !text.is_empty())
    }

    /// Returns a text that can stand in a series.
    fn short_text(&self, long: &str, short: &str) -> Option<&'a str> {
        self.text(long, short).filter(|text| text.len() <= MAX_NAME_BYTES)
    }

    /// Returns a topic with its base, which `~` at either end stands for.
    fn topic(&self, long: &str, short: &str) -> Option<String> {
        let topic = self.text(long, short)?;
        let base = self.text("~", "~").unwrap_or_default();
        let whole = match (topic.strip_prefix('~'), topic.strip_suffix('~')) {
            (Some(rest), _) => format!("{base}{rest}"),
            (None, Some(start)) => format!("{start}{base}"),
            (None, None) => topic.to_owned(),
        };
        Some(whole).filter(|topic| topic.len() <= MAX_TOPIC_BYTES)
    }

    /// Returns the device's name, or what identifies it.
    fn device(&self, topic: &ConfigTopic<'_>) -> Arc<str> {
        let device = self.json("device", "dev").and_then(Json::as_object);
        let named = device.and_then(|device| {
            let fields = Fields { own: device, shared: device };
            fields.short_text("name", "name").or_else(|| match fields.json("identifiers", "ids")? {
                Json::Array(ids) => ids.first()?.as_str(),
                id => id.as_str(),
            })
        });
        let named = named.filter(|name| name.len() <= MAX_NAME_BYTES);
        named.unwrap_or(topic.node.unwrap_or(topic.object)).into()
    }

    fn switching(&self, component: &str) -> Option<Switching> {
        let (on, off) = match component {
            "binary_sensor" => (None, None),
            "switch" => (self.json("state_on", "stat_on"), self.json("state_off", "stat_off")),
            _ => return None,
        };
        let on = on.or_else(|| self.json("payload_on", "pl_on"));
        let off = off.or_else(|| self.json("payload_off", "pl_off"));
        Some(Switching::new(on, off))
    }
}

/// `Outdoor Temperature` says more than `temperature`, `Temperature` does not.
fn says_the_same(name: &str, event_type: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(' ', "_");
    plain(name) == plain(event_type)
}
