//! `[ingest]`: what is taken from agents and applications, and when they are asked to wait.

use std::time::Duration;

use penstock_shared::answer::{MAX_FRAME_BYTES, MAX_REQUEST_BYTES};

use super::document::Document;

/// The settings of the ledger's door.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestSettings {
    /// The most bytes that one frame may have.
    pub max_frame_bytes: usize,
    /// The most bytes that one request of frames may have.
    pub max_request_bytes: usize,
    /// The most events that one `POST /events` may carry.
    pub max_events_per_request: usize,
    /// How far the processor may fall behind before agents are asked to wait.
    pub max_lag: Duration,
    /// How many readings the ledger may hold unapplied before agents are asked to wait.
    pub max_pending_readings: u64,
    /// How many readings a second all agents together may send of their backlogs while live data overtakes them.
    pub backlog_readings_per_second: u32,
}

impl IngestSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let mut section = document.section("ingest");
        Self {
            max_frame_bytes: section.number("max_frame_bytes", MAX_FRAME_BYTES, 65_536..=MAX_FRAME_BYTES),
            max_request_bytes: section.number(
                "max_request_bytes",
                MAX_REQUEST_BYTES,
                MAX_FRAME_BYTES..=MAX_REQUEST_BYTES,
            ),
            max_events_per_request: section.number("max_events_per_request", 10_000, 1..=100_000),
            max_lag: section.seconds("max_lag_seconds", 600, 5..=86_400),
            max_pending_readings: section.number("max_pending_readings", 20_000_000, 10_000..=10_000_000_000),
            backlog_readings_per_second: section.number(
                "backlog_readings_per_second",
                50_000,
                100..=100_000_000,
            ),
        }
    }
}
