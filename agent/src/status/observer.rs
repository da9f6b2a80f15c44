//! Takes the status at any moment, for all who ask: the status file, the hub's report, the control socket.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use penstock_shared::id::AgentId;
use penstock_shared::reading::TimestampMicros;
use penstock_shared::report::{AgentReport, MissingSpan};
use serde::{Deserialize, Serialize};

use super::rates::Rates;
use super::{SourceBoard, Status};
use crate::buffer::Buffer;
use crate::clock::Clock;
use crate::edge::WithheldCounts;
use crate::wear::WearLog;

/// What the status is taken from.
pub struct Seen {
    /// The books.
    pub buffer: Buffer,
    /// This machine's clock.
    pub clock: Arc<Clock>,
    /// What is not kept.
    pub withheld: Arc<WithheldCounts>,
    /// The sources that count.
    pub sources: Arc<SourceBoard>,
}

/// Whether the hub answers, as the last report to it told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HubState {
    /// When it last took a report; none when it has taken none since the start.
    pub reached_at: Option<TimestampMicros>,
    /// Why it did not take the last one.
    pub fault: Option<String>,
}

/// Looks at everything that the status tells of.
pub struct Observer {
    seen: Seen,
    agent: AgentId,
    hub_url: Mutex<String>,
    started_at: TimestampMicros,
    rates: Mutex<Rates>,
    wear: Mutex<WearLog>,
    hub: Mutex<HubState>,
}

impl Observer {
    /// Begins to look; the agent starts now.
    #[must_use]
    pub fn new(seen: Seen, agent: AgentId, hub_url: String) -> Self {
        let started_at = TimestampMicros::now();
        Self {
            seen,
            agent,
            hub_url: Mutex::new(hub_url),
            started_at,
            rates: Mutex::default(),
            wear: Mutex::new(WearLog::new()),
            hub: Mutex::default(),
        }
    }

    /// Notes that readings are sent elsewhere from now on.
    pub fn set_hub_url(&self, hub_url: String) {
        *self.hub_url() = hub_url;
        *self.hub_state() = HubState::default();
    }

    /// Returns the books' buffer.
    #[must_use]
    pub const fn buffer(&self) -> &Buffer {
        &self.seen.buffer
    }

    /// Takes the status as it is now. Asks the file system for its room, so it may block.
    #[must_use]
    pub fn now(&self) -> Status {
        let Seen { buffer, clock, withheld, sources } = &self.seen;
        let report = self.report();
        Status {
            balanced: report.counts.is_balanced(),
            hub: self.hub_url().clone(),
            hub_state: self.hub_state().clone(),
            report,
            running: true,
            pid: std::process::id(),
            disk_free_bytes: free_bytes(buffer),
            wear: Some(self.wear.lock().unwrap_or_else(PoisonError::into_inner).now()),
            clock_set: clock.is_set(),
            withheld: withheld.now(),
            sources: sources.now(),
        }
    }

    pub(super) fn note_hub(&self, outcome: &Result<(), String>) {
        let mut state = self.hub_state();
        match outcome {
            Ok(()) => *state = HubState { reached_at: Some(TimestampMicros::now()), fault: None },
            Err(fault) => state.fault = Some(fault.clone()),
        }
    }

    fn hub_url(&self) -> MutexGuard<'_, String> {
        self.hub_url.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hub_state(&self) -> MutexGuard<'_, HubState> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self) -> Vec<MissingSpan> {
        let Seen { buffer, clock, .. } = &self.seen;
        let mut missing = buffer.missing();
        let now = TimestampMicros::now();
        for span in &mut missing {
            span.from = clock.resolve(span.from).unwrap_or(now);
            span.to = clock.resolve(span.to).unwrap_or(now);
        }
        missing
    }

    fn report(&self) -> AgentReport {
        let Seen { buffer, clock, .. } = &self.seen;
        let counts = buffer.counts();
        let now = TimestampMicros::now();
        // By a clock that is not set it is not known when; at most now.
        let oldest = buffer.oldest_buffered_at().map(|oldest| clock.resolve(oldest).unwrap_or(now));
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let (received_per_second, stored_per_second) = rates.note(Instant::now(), &counts);
        AgentReport {
            agent: self.agent.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: buffer.epoch().to_string(),
            time: now,
            started_at: self.started_at,
            counts,
            buffer_bytes: buffer.bytes_on_disk(),
            buffer_quota_bytes: buffer.settings().quota_bytes,
            oldest_buffered_at: oldest.filter(|_| counts.buffered > 0),
            received_per_second,
            stored_per_second,
            faults: buffer.faults(),
            missing: self.missing(),
        }
    }
}

fn free_bytes(buffer: &Buffer) -> Option<u64> {
    let room = rustix::fs::statvfs(&buffer.settings().dir).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}
