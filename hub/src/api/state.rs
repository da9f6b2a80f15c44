//! What every route can reach.

use std::sync::Arc;

use crate::access::{Access, RateLimiter};
use crate::config::Settings;
use crate::ingest::Ingest;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// Shared by all routes; cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Arc<Settings>,
    store: Store,
    ingest: Arc<Ingest>,
    access: Arc<Access>,
    telemetry: Arc<Telemetry>,
    rate_limiter: RateLimiter,
}

impl ApiState {
    /// Gathers what the routes need.
    #[must_use]
    pub fn new(
        settings: Arc<Settings>,
        store: Store,
        ingest: Arc<Ingest>,
        access: Arc<Access>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let limits = &settings.limits;
        let rate_limiter = RateLimiter::new(limits.requests_per_second, limits.burst);
        Self(Arc::new(Shared { settings, store, ingest, access, telemetry, rate_limiter }))
    }

    /// Returns the configuration.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns the database with its collections.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Returns the door to the ledger.
    #[must_use]
    pub fn ingest(&self) -> &Ingest {
        &self.0.ingest
    }

    /// Returns how long the oldest batch that is not applied has waited.
    #[must_use]
    pub fn processing_lag_ms(&self) -> i64 {
        i64::try_from(self.0.ingest.pending().lag().as_millis()).unwrap_or(i64::MAX)
    }

    /// Returns the door.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// Returns the counters.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    pub(super) fn rate_limiter(&self) -> &RateLimiter {
        &self.0.rate_limiter
    }
}
