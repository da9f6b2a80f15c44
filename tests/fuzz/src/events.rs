//! `POST /api/v1/events` of the hub: events of applications.

use std::sync::LazyLock;

use penstock_hub::api::application_events::read;
use penstock_hub::ingest::application::Event;
use penstock_shared::id::AgentId;
use penstock_shared::reading::{MAX_NAME_BYTES, MAX_TEXT_BYTES, Value};

use crate::memory::bounded;
use crate::outcome::NOW;

/// As the hub's default.
const MOST_EVENTS: usize = 10_000;

static APPLICATION: LazyLock<AgentId> = LazyLock::new(|| AgentId::new("app.shop").expect("a valid id"));

/// A body, as JSON and as lines of JSON.
pub(crate) fn target(bytes: &[u8]) {
    for content_type in ["application/json", "application/x-ndjson"] {
        let read = bounded(|| read(content_type, bytes, MOST_EVENTS, &APPLICATION, NOW));
        read.unwrap_or_default().iter().for_each(check);
    }
}

fn check(event: &Event) {
    for name in [&event.event_type, &event.source].into_iter().chain(&event.user_id) {
        assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES, "{name:?}");
    }
    assert!(event.time.is_storable(), "{:?} cannot be stored", event.time);
    let is_finite = !matches!(event.value, Value::Number(number) if !number.is_finite());
    assert!(is_finite, "{:?}", event.value);
    let properties = event.properties.as_ref().map_or(0, String::len);
    assert!(properties <= MAX_TEXT_BYTES, "{properties} bytes of properties");
}
