//! The heartbeat: says twice in the supervisor's time that the agent is alive, for as long as its parts do their work.

use std::sync::Arc;

use tokio::time::MissedTickBehavior;

use super::{Pulse, Supervisor};

/// Beats until it is dropped; where the supervisor wants no heartbeat it is silent. `parts` are those without which the
/// agent does not do its work, by name.
///
/// Work may take half of the supervisor's time. The heart stops meanwhile, and goes on should the work end after all.
pub async fn beat(supervisor: Arc<Supervisor>, parts: Vec<(&'static str, Pulse)>) {
    let Some(patience) = supervisor.watchdog() else { return std::future::pending().await };
    let limit = patience / 2;
    let mut ticks = tokio::time::interval(limit);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match parts.iter().find(|(_, pulse)| !pulse.beats_within(limit)) {
            None => supervisor.heartbeat(),
            Some((part, _)) => {
                tracing::error!(part, ?limit, "a part hangs, the supervisor will restart the agent");
                supervisor.status(&format!("{part} hangs"));
            }
        }
    }
}
