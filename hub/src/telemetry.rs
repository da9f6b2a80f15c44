//! The hub's own counters: every stage adds to them, the API and Prometheus read them.
//!
//! One struct for the whole process, so that each recurring event is defined once. This module must not know who
//! counts, nor who reads.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

mod latency;

pub use latency::LatencySketch;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Returns the sum since the hub started.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets the number.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds to the number, or takes away.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Returns the present number.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that the hub counts.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// Frames that stand in the ledger, newly or since an earlier attempt.
    pub frames_confirmed: Counter,
    /// Frames that did not follow what the ledger had.
    pub frames_gapped: Counter,
    /// Frames that can never be accepted.
    pub frames_refused: Counter,
    /// Frames that were not looked at, because the one before was not stored.
    pub frames_skipped: Counter,
    /// Bytes of the requests of frames.
    pub frame_bytes: Counter,
    /// Requests that were told to come back later, because the processor is too far behind.
    pub requests_held_back: Counter,
    /// Groups that the processor applied.
    pub groups_applied: Counter,
    /// Readings that the processor applied.
    pub readings_applied: Counter,
    /// Groups that were in doubt after a crash or an error and were read back.
    pub groups_recovered: Counter,
    /// Groups that failed and were tried again.
    pub groups_failed: Counter,
    /// Age of the oldest batch in the ledger that is not applied, in milliseconds.
    pub processing_lag_ms: Gauge,
    /// Readings in the ledger that are not applied.
    pub readings_pending: Gauge,
    /// Change streams that broke and were opened again.
    pub change_streams_reopened: Counter,
    /// WebSocket clients that are connected.
    pub websocket_clients: Gauge,
    /// Messages pushed to WebSocket clients.
    pub messages_pushed: Counter,
    /// Messages that a slow WebSocket client never got because a newer one took their place.
    pub messages_superseded: Counter,
    /// From a reading's arrival at the gateway to its push to browsers.
    pub publish_to_push: LatencySketch,
    /// HTTP connections that are open.
    pub connections: Gauge,
    /// HTTP requests that were answered.
    pub requests_answered: Counter,
    /// HTTP requests that were answered with a status of 500 or above.
    pub requests_failed: Counter,
    /// HTTP requests that a caller's rate limit refused.
    pub requests_limited: Counter,
}
