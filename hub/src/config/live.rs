//! `[live]`: how updates reach browsers.

use std::time::Duration;

use super::document::Document;

/// The settings of the push.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSettings {
    /// How long changes are gathered before they are pushed.
    pub coalesce: Duration,
    /// How many channels one client may subscribe to.
    pub max_subscriptions: usize,
    /// The largest message that a client may send, in bytes.
    pub max_message_bytes: usize,
    /// How long a client may be silent, pings unanswered, before it is let go.
    pub idle: Duration,
}

impl LiveSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let mut section = document.section("live");
        Self {
            coalesce: section.millis("coalesce_ms", 50, 5..=5_000),
            max_subscriptions: section.number("max_subscriptions", 128, 1..=10_000),
            max_message_bytes: section.number("max_message_bytes", 4_096, 512..=1_048_576),
            idle: section.seconds("idle_seconds", 60, 5..=3_600),
        }
    }
}
