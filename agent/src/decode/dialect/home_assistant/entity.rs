//! One announced entity, and what a state message says of it.

use std::sync::Arc;

use penstock_shared::reading::Value;
use serde_json::Value as Json;

use super::template::Template;
use crate::decode::dialect::findings::label;
use crate::decode::payload::scalar;
use crate::decode::reason::{Reason, Undecodable};

/// What Home Assistant writes for a state that there is none of.
const NO_STATES: [&str; 4] = ["unknown", "unavailable", "None", "none"];

/// An entity that announced itself.
#[derive(Debug)]
pub(super) struct Entity {
    /// Who announced it, and may withdraw it.
    pub(super) config_topic: Box<str>,
    pub(super) event_type: String,
    /// The entity's name, where it says more than the type.
    pub(super) name: Option<Box<str>>,
    pub(super) source: Arc<str>,
    /// Empty: none.
    pub(super) unit: Box<str>,
    pub(super) template: Template,
    /// For entities that are on or off.
    pub(super) switching: Option<Switching>,
}

impl Entity {
    /// Returns what a message says of the entity; none where it says nothing.
    pub(super) fn value(&self, message: &Json) -> Result<Option<Value>, Undecodable> {
        let Some(json) = self.template.find(message) else { return Ok(None) };
        let nothing = json.is_null() || json.as_str().is_some_and(|text| NO_STATES.contains(&text));
        if nothing {
            return Ok(None);
        }
        let value = scalar(json)?;
        match &self.switching {
            Some(switching) => switching.position(&value).map(Some),
            None => self.template.convert(value).map(Some),
        }
    }

    pub(super) fn labels(&self) -> Vec<(String, String)> {
        self.name.as_ref().map(|name| label("name", name.as_ref())).unwrap_or_default()
    }
}

/// What stands for on, and what for off.
#[derive(Debug, PartialEq)]
pub(super) struct Switching {
    on: Value,
    off: Value,
}

impl Switching {
    pub(super) fn new(on: Option<&Json>, off: Option<&Json>) -> Self {
        let read = |json: Option<&Json>, usual| json.and_then(|json| scalar(json).ok()).unwrap_or(usual);
        Self { on: read(on, Value::Boolean(true)), off: read(off, Value::Boolean(false)) }
    }

    fn position(&self, value: &Value) -> Result<Value, Undecodable> {
        if *value == self.on {
            return Ok(Value::Boolean(true));
        }
        if *value == self.off {
            return Ok(Value::Boolean(false));
        }
        Err(Undecodable::new(Reason::NotAValue, "neither what stands for on nor what stands for off"))
    }
}
