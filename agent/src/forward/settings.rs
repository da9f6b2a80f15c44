//! Where to and how eagerly the forwarder sends, already validated.

use std::time::Duration;

use penstock_shared::id::AgentId;

/// The hub's address and the pace of sending.
#[derive(Debug, Clone)]
pub struct ForwardSettings {
    /// This gateway.
    pub agent: AgentId,
    /// The hub's base address, such as `https://hub.example:8443`, without `/api/v1`.
    pub hub_url: String,
    /// The bearer token; none where the hub asks for none.
    pub token: Option<String>,
    /// A batch is sealed when it holds this many readings.
    pub batch_readings: usize,
    /// A batch may hold this many readings while there is a backlog.
    pub catch_up_readings: usize,
    /// A smaller batch is sealed this long after its oldest reading.
    pub linger: Duration,
    /// The time that one request may take.
    pub timeout: Duration,
    /// The shortest pause after a failure.
    pub backoff_min: Duration,
    /// The longest pause after failures.
    pub backoff_max: Duration,
    /// The time between two reports to the hub and to `status.json`.
    pub report_every: Duration,
}

impl ForwardSettings {
    /// Returns the default pace for `agent` sending to `hub_url`.
    #[must_use]
    pub fn new(agent: AgentId, hub_url: impl Into<String>) -> Self {
        Self {
            agent,
            hub_url: hub_url.into(),
            token: None,
            batch_readings: 1000,
            catch_up_readings: 8000,
            linger: Duration::from_millis(100),
            timeout: Duration::from_secs(30),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(30),
            report_every: Duration::from_secs(2),
        }
    }
}
