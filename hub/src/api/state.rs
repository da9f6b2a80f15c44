//! What every route can reach.

use std::sync::Arc;

use mongodb::Database;

use crate::access::{Access, RateLimiter};
use crate::config::Settings;
use crate::telemetry::Telemetry;

/// Shared by all routes; cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Arc<Settings>,
    database: Database,
    access: Arc<Access>,
    telemetry: Arc<Telemetry>,
    rate_limiter: RateLimiter,
}

impl ApiState {
    /// Gathers what the routes need.
    #[must_use]
    pub fn new(
        settings: Arc<Settings>,
        database: Database,
        access: Arc<Access>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let limits = &settings.limits;
        let rate_limiter = RateLimiter::new(limits.requests_per_second, limits.burst);
        Self(Arc::new(Shared { settings, database, access, telemetry, rate_limiter }))
    }

    /// Returns the configuration.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns the database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.0.database
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
