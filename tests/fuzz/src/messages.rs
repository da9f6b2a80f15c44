//! MQTT messages in an input: `topic`, a line's end, `payload`; the character RS (1E) parts one message from the next.

use std::path::Path;
use std::sync::Arc;

use penstock_agent::config::{Settings, parse};
use penstock_agent::decode::Decoder;
use penstock_shared::id::AgentId;

const RECORD_SEPARATOR: u8 = 0x1e;
/// As long as MQTT allows.
const MOST_TOPIC_BYTES: usize = 65_535;
/// More messages of one input are not heard: what a decoder remembers is not what one message takes.
const MOST_MESSAGES: usize = 64;

/// Takes an input apart. What is no text becomes one: MQTT has no other topics.
pub(crate) fn messages(bytes: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    bytes.split(|byte| *byte == RECORD_SEPARATOR).take(MOST_MESSAGES).map(message)
}

/// Takes one message apart; its payload may hold any byte.
pub(crate) fn message(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()).min(MOST_TOPIC_BYTES);
    let payload = bytes.get(end + 1..).unwrap_or_default();
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), payload)
}

/// Reads a configuration as the agent does.
///
/// # Panics
/// When it has a fault.
pub(crate) fn settings(configuration: &str) -> Settings {
    let parsed = parse(Path::new("fuzz.toml"), configuration, []);
    parsed.unwrap_or_else(|faults| panic!("{faults}"))
}

/// Makes a decoder of the gateway `gw` that has heard nothing yet.
pub(crate) fn decoder(settings: &Settings) -> Decoder {
    let mappings = Arc::from(settings.mappings.clone());
    Decoder::new(&gateway(), true, mappings).with_dialects(&settings.decode)
}

/// Returns the gateway's id.
///
/// # Panics
/// Never.
pub(crate) fn gateway() -> AgentId {
    AgentId::new("gw").expect("a valid id")
}
