//! What every route can reach.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::{Access, RateLimiter};
use crate::config::Settings;
use crate::ingest::Ingest;
use crate::live::Live;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// How often one address may try to join, and how often at once; a proxy's address stands for all behind it.
const JOINS_PER_SECOND: f64 = 2.0;
const JOINS_AT_ONCE: f64 = 30.0;

/// The stages that routes speak to.
#[derive(Debug)]
pub struct Stages {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// The database with its collections.
    pub store: Store,
    /// Who is calling.
    pub access: Access,
    /// The door to the ledger.
    pub ingest: Ingest,
    /// The push.
    pub live: Live,
    /// The counters.
    pub telemetry: Arc<Telemetry>,
    /// True when WebSocket clients must go.
    pub closing: watch::Receiver<bool>,
}

/// Shared by all routes; cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stages: Stages,
    rate_limiter: RateLimiter,
    join_limiter: RateLimiter,
    websocket_slots: Arc<Semaphore>,
}

impl ApiState {
    /// Adds to the stages what the routes share among themselves.
    #[must_use]
    pub fn new(stages: Stages) -> Self {
        let limits = &stages.settings.limits;
        let rate_limiter = RateLimiter::new(limits.requests_per_second, limits.burst);
        let websocket_slots = Arc::new(Semaphore::new(limits.max_websockets));
        let join_limiter = RateLimiter::new(JOINS_PER_SECOND, JOINS_AT_ONCE);
        Self(Arc::new(Shared { stages, rate_limiter, join_limiter, websocket_slots }))
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.stages.settings
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.stages.store
    }

    pub(super) fn access(&self) -> &Access {
        &self.0.stages.access
    }

    pub(super) fn ingest(&self) -> &Ingest {
        &self.0.stages.ingest
    }

    pub(super) fn live(&self) -> &Live {
        &self.0.stages.live
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.0.stages.telemetry
    }

    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.0.stages.closing.clone()
    }

    pub(super) fn rate_limiter(&self) -> &RateLimiter {
        &self.0.rate_limiter
    }

    pub(super) fn join_limiter(&self) -> &RateLimiter {
        &self.0.join_limiter
    }

    /// Takes one of the places for WebSocket clients; none when all are taken.
    pub(super) fn websocket_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.websocket_slots).try_acquire_owned().ok()
    }

    /// Returns how long the oldest batch that is not applied has waited.
    pub(super) fn processing_lag_ms(&self) -> i64 {
        i64::try_from(self.ingest().pending().lag().as_millis()).unwrap_or(i64::MAX)
    }
}
