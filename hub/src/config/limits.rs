//! `[limits]`: what one caller, and all of them together, may take.

use std::time::Duration;

use super::document::Document;

/// The limits of the HTTP surface.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitSettings {
    /// Connections that are open at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// WebSocket clients at once.
    pub max_websockets: usize,
    /// Requests per second of one caller, on average.
    pub requests_per_second: f64,
    /// Requests that one caller may make at once after a pause.
    pub burst: f64,
    /// The most bytes of a request's body, frames excepted.
    pub max_body_bytes: usize,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a request may take in all.
    pub request_timeout: Duration,
}

impl LimitSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let mut section = document.section("limits");
        Self {
            max_connections: section.number("max_connections", 4_096, 8..=1_000_000),
            max_websockets: section.number("max_websockets", 1_000, 1..=1_000_000),
            requests_per_second: section.number("requests_per_second", 100.0, 0.1..=1_000_000.0),
            burst: section.number("burst", 400.0, 1.0..=1_000_000.0),
            max_body_bytes: section.number("max_body_bytes", 2_097_152, 1_024..=67_108_864),
            header_timeout: section.seconds("header_timeout_seconds", 10, 1..=300),
            request_timeout: section.seconds("request_timeout_seconds", 60, 1..=600),
        }
    }
}
