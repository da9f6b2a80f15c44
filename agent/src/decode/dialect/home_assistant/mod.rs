//! Home Assistant's MQTT discovery: ESPHome, Zigbee2MQTT, and whoever else announces itself that way.
//!
//! ```text
//! homeassistant/…/config ─▶ entities by state topic
//! state topic ─▶ each entity's template ─▶ a reading of its device
//! ```
//!
//! The type is the entity's device class, or else the member that its template reads, or else its object id; the
//! source is the device's name. Where an entity's own name says more than the type, it is the label `name`: two
//! temperatures of one device stay apart. What no template covers of a JSON object is read by its members' names.

mod discovery;
mod entity;
mod template;
mod zigbee2mqtt;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use penstock_shared::reading::Value;
use serde_json::{Map, Value as Json};

use super::findings::{Findings, is_value};
use super::heard::{Heard, clock_time};
use crate::config::TimeUnit;
use crate::decode::json;
use crate::decode::reason::{Reason, Undecodable};
use crate::decode::samples::Sample;
use discovery::ConfigTopic;
use entity::Entity;

/// Entities remembered at most; a house has some hundred. What comes beyond is a dead letter.
const MAX_ENTITIES: usize = 4_000;

/// Members that say when, in the order in which they are believed.
const TIME_MEMBERS: [&str; 4] = ["last_seen", "time", "timestamp", "ts"];

/// Tells whether a topic carries a discovery, which is retained at the broker.
pub(super) fn is_config_topic(topic: &str) -> bool {
    ConfigTopic::parse(topic).is_some()
}

/// The entities that announced themselves.
#[derive(Debug, Default)]
pub(super) struct HomeAssistant {
    by_state_topic: HashMap<String, Vec<Entity>>,
    /// Config topic to state topics, for what is announced anew or withdrawn.
    announced: HashMap<String, Vec<String>>,
    known: usize,
}

impl HomeAssistant {
    /// Tells whether a topic may be an announcement or its state, or Zigbee2MQTT's.
    pub(super) fn may_claim(&self, topic: &str) -> bool {
        topic.starts_with(discovery::PREFIX)
            || topic.starts_with(zigbee2mqtt::BASE)
            || self.by_state_topic.contains_key(topic)
    }

    pub(super) fn read(&mut self, heard: &Heard<'_>) -> Option<Findings> {
        if let Some(topic) = ConfigTopic::parse(heard.topic) {
            let learned = self.learn(heard, &topic);
            return Some(learned.map_or_else(Findings::fault, |()| Findings::default()));
        }
        if heard.topic == "homeassistant/status" {
            return Some(Findings::default());
        }
        if let Some(entities) = self.by_state_topic.get(heard.topic) {
            return Some(read_state(heard, entities));
        }
        zigbee2mqtt::read(heard)
    }

    fn learn(&mut self, heard: &Heard<'_>, topic: &ConfigTopic<'_>) -> Result<(), Undecodable> {
        self.forget(heard.topic);
        if heard.payload.trim_ascii().is_empty() {
            return Ok(());
        }
        let config: Map<String, Json> = json::parse(heard.payload)?;
        let announced = discovery::entities(topic, &config);
        if self.known + announced.len() > MAX_ENTITIES {
            let detail = format!("{MAX_ENTITIES} discovered entities are remembered at most");
            return Err(Undecodable::new(Reason::TooManyKnown, detail));
        }
        let mut state_topics = Vec::with_capacity(announced.len());
        for (state_topic, entity) in announced {
            self.known += 1;
            state_topics.push(state_topic.clone());
            self.by_state_topic.entry(state_topic).or_default().push(entity);
        }
        if !state_topics.is_empty() {
            self.announced.insert(heard.topic.to_owned(), state_topics);
        }
        Ok(())
    }

    fn forget(&mut self, config_topic: &str) {
        for state_topic in self.announced.remove(config_topic).unwrap_or_default() {
            let Some(entities) = self.by_state_topic.get_mut(&state_topic) else { continue };
            let before = entities.len();
            entities.retain(|entity| &*entity.config_topic != config_topic);
            self.known -= before - entities.len();
            if entities.is_empty() {
                self.by_state_topic.remove(&state_topic);
            }
        }
    }
}

fn read_state(heard: &Heard<'_>, entities: &[Entity]) -> Findings {
    let mut findings = Findings::default();
    let text = match std::str::from_utf8(heard.payload) {
        Ok(text) => text.trim(),
        Err(error) => return Findings::fault(Undecodable::new(Reason::NotUtf8, error.to_string())),
    };
    let json = match heard.first_byte() {
        // A device clears what is retained of it.
        None => return findings,
        Some(b'{' | b'[') => match json::parse::<Json>(heard.payload) {
            Ok(message) => message,
            Err(fault) => return Findings::fault(fault),
        },
        Some(_) => Json::String(text.to_owned()),
    };
    let members = json.as_object();
    let time = members.and_then(device_time);
    let mut told = HashSet::with_capacity(entities.len());
    for entity in entities {
        match entity.value(&json) {
            // A member that can be set announces itself twice, as a sensor and as a number.
            Ok(Some(_)) if !told.insert((&entity.event_type, &entity.name)) => {}
            Ok(Some(value)) => {
                let sample = Sample { time, ..Sample::new(entity.event_type.as_str(), value) };
                let sample = sample.with_unit(&entity.unit);
                findings.push(&entity.source, sample, entity.labels());
            }
            Ok(None) => {}
            Err(fault) => findings.set_aside(fault),
        }
    }
    if let (Some(members), Some(first)) = (members, entities.first()) {
        let covered: HashSet<&str> = entities.iter().filter_map(|entity| entity.template.member()).collect();
        let rest = members.iter().filter(|(name, _)| !covered.contains(name.as_str()));
        read_members(&mut findings, &first.source, rest, time);
    }
    findings
}

/// Reads values by their members' names, with the units that such members have in Zigbee2MQTT.
fn read_members<'a>(
    findings: &mut Findings,
    source: &Arc<str>,
    members: impl Iterator<Item = (&'a String, &'a Json)>,
    time: Option<penstock_shared::reading::TimestampMicros>,
) {
    for (name, json) in members {
        if is_value(json) && !TIME_MEMBERS.contains(&name.as_str()) {
            let sample = Sample { time, ..Sample::new(name, Value::Boolean(false)) };
            let sample = sample.with_unit(zigbee2mqtt::unit(name));
            findings.push_json(source, sample, json, Vec::new());
        }
    }
}

fn device_time(members: &Map<String, Json>) -> Option<penstock_shared::reading::TimestampMicros> {
    let json = TIME_MEMBERS.iter().find_map(|name| members.get(*name))?;
    clock_time(json, TimeUnit::Auto)
}
