//! One lane on its way to the hub: what was decided of it, and what is packed of it already.

use std::sync::Arc;
use std::time::Instant;

use penstock_shared::id::{AgentId, CommitNumber};
use tokio::task::JoinHandle;

use super::core::Core;
use super::pack::{self, PackError, Packed};
use super::settings::ForwardSettings;
use crate::buffer::{Buffer, Lane};
use crate::clock::Clock;

type Packing = JoinHandle<Result<Packed, PackError>>;

/// A lane's memory.
pub(super) struct Way {
    lane: Lane,
    pub(super) core: Core,
    /// The next frame, packed while the one before it was on its way.
    ahead: Option<(CommitNumber, Packing)>,
}

impl Way {
    /// Goes on where the buffer says.
    pub(super) fn new(lane: Lane, buffer: &Buffer, settings: &ForwardSettings) -> Self {
        Self { lane, core: Core::new(settings, buffer.lane_start(lane)), ahead: None }
    }

    pub(super) const fn lane(&self) -> Lane {
        self.lane
    }

    /// Returns the packing of the next frame, which may have begun before.
    pub(super) fn take_packing(&mut self, buffer: &Buffer, clock: &Arc<Clock>, agent: &AgentId) -> Packing {
        let next = self.core.next;
        let packing = match self.ahead.take() {
            Some((from, packing)) if from == next => packing,
            _ => self.pack(next, buffer, clock, agent),
        };
        self.core.sealed(Instant::now());
        packing
    }

    /// Begins to pack what follows the frame that is about to be sent.
    pub(super) fn pack_ahead(
        &mut self,
        next: CommitNumber,
        buffer: &Buffer,
        clock: &Arc<Clock>,
        agent: &AgentId,
    ) {
        self.ahead = Some((next, self.pack(next, buffer, clock, agent)));
    }

    /// Drops what is packed ahead: it is to be packed otherwise.
    pub(super) fn forget_packed(&mut self) {
        self.ahead = None;
    }

    fn pack(&self, from: CommitNumber, buffer: &Buffer, clock: &Arc<Clock>, agent: &AgentId) -> Packing {
        let limits = self.core.limits(buffer.newest().1);
        let (buffer, clock, agent, lane) = (buffer.clone(), Arc::clone(clock), agent.clone(), self.lane);
        tokio::task::spawn_blocking(move || pack::pack(&buffer, &clock, &agent, lane, from, &limits))
    }
}
