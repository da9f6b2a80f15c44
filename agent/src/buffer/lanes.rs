//! When commits overtake the backlog, and when they fall back into line.
//!
//! Both change which lane a commit belongs to, which must never change once it may have been sent: the hub tells two
//! lanes apart, and would take the commit twice. So a run begins behind everything that may have been sent, ends with
//! what is confirmed when nothing else may have been sent of it, and is on the disk before anything is sent by it.

use std::sync::atomic::Ordering;

use penstock_shared::id::CommitNumber;

use super::error::BufferError;
use super::express::Lane;
use super::{Buffer, Shared, locked};

/// So many of the newest readings go along with what arrives after an outage: about one batch.
const NEWEST_READINGS: u64 = 4_000;
/// How many commits back they are looked for.
const REACHES: [u64; 6] = [1_024, 256, 64, 16, 4, 1];

/// The last commit of each lane that may have been sent in this life of the program or in an earlier one.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct SentThrough {
    main: CommitNumber,
    express: CommitNumber,
}

/// Where a lane goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneStart {
    /// The first commit to look for.
    pub next: CommitNumber,
    /// How many readings were ever committed before it.
    pub readings_before: u64,
}

impl SentThrough {
    /// What an earlier life of the program sent is not known: anything up to `last`.
    pub(super) const fn unknown(last: CommitNumber) -> Self {
        Self { main: last, express: last }
    }

    fn of(&mut self, lane: Lane) -> &mut CommitNumber {
        match lane {
            Lane::Main => &mut self.main,
            Lane::Express => &mut self.express,
        }
    }
}

impl Buffer {
    /// Notes that commits of a lane are about to be sent. Call it before every sending. False when they must not be:
    /// they go by the other lane meanwhile, or a change of lanes is not on the disk yet.
    #[must_use]
    pub fn sending(&self, lane: Lane, first: CommitNumber, last: CommitNumber) -> bool {
        let mut sent = locked(&self.shared.sent);
        let (of, end) = self.shared.books().state.express.lane_of(first);
        if of != lane || end < last || self.lanes_are_unsaved() {
            return false;
        }
        let through = sent.of(lane);
        *through = last.max(*through);
        true
    }

    /// Tells whether a change of lanes is not on the disk yet.
    #[must_use]
    pub fn lanes_are_unsaved(&self) -> bool {
        self.shared.lanes_unsaved.load(Ordering::SeqCst)
    }

    /// Returns where a lane goes on.
    #[must_use]
    pub fn lane_start(&self, lane: Lane) -> LaneStart {
        let books = self.shared.books();
        let (confirmed, readings_before) = books.confirmed(lane);
        // What lies between two runs is to be declared with the beginning of the second.
        let confirmed = if lane == Lane::Express { books.state.express.confirmed() } else { confirmed };
        LaneStart { next: confirmed.next(), readings_before }
    }

    /// Tells whether new commits go by the express lane.
    #[must_use]
    pub fn express_is_open(&self) -> bool {
        self.shared.books().state.express.open_run().is_some()
    }

    /// Tells whether commits wait in the main lane while others overtake them.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.shared.books().has_backlog()
    }

    /// Lets the newest commits and all that follow go by the express lane. Durable when it returns; false when that
    /// cannot be at present, as something that was sent by that lane is not confirmed. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses. Then nothing can be sent until [`Buffer::checkpoint`] succeeds.
    pub fn open_express(&self) -> Result<bool, BufferError> {
        let shared = &*self.shared;
        // Nothing is sent, and no other thread moves the lanes, while this lock is held.
        let sent = locked(&shared.sent);
        if !shared.express_is_settled(sent.express) {
            return Ok(false);
        }
        let (first, readings_before) = shared.newest_after(sent.main.max(sent.express))?;
        if !shared.books().state.express.open(first, readings_before) {
            return Ok(false);
        }
        tracing::info!(first = first.0, "newest readings overtake the backlog");
        shared.lanes_unsaved.store(true, Ordering::SeqCst);
        shared.persist_books()?;
        Ok(true)
    }

    /// Lets new commits go by the main lane again. Durable when it returns; false while a backlog waits there, or
    /// something that was sent by the express lane is not confirmed. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses. Then nothing can be sent until [`Buffer::checkpoint`] succeeds.
    pub fn close_express(&self) -> Result<bool, BufferError> {
        let shared = &*self.shared;
        let sent = locked(&shared.sent);
        if shared.books().has_backlog() || !shared.express_is_settled(sent.express) {
            return Ok(false);
        }
        shared.books().state.express.close();
        shared.lanes_unsaved.store(true, Ordering::SeqCst);
        tracing::info!("the backlog is drained");
        shared.persist_books()?;
        Ok(true)
    }
}

impl Shared {
    /// Tells whether all that may have been sent by the express lane is confirmed.
    fn express_is_settled(&self, sent: CommitNumber) -> bool {
        self.books().state.express.open_run().is_none_or(|run| run.through >= sent)
    }

    /// Returns the first commit of the newest readings, none of them before `after`, and C before it.
    fn newest_after(&self, after: CommitNumber) -> Result<(CommitNumber, u64), BufferError> {
        let (last, readings) = {
            let state = &self.books().state;
            (state.last, state.totals.readings)
        };
        for before in REACHES.iter().filter_map(|reach| last.0.checked_sub(*reach)).map(CommitNumber) {
            if before < after {
                continue;
            }
            if let Some(readings_before) = self.readings_through(before)?
                && readings - readings_before <= NEWEST_READINGS
            {
                return Ok((before.next(), readings_before));
            }
        }
        Ok((last.next(), readings))
    }
}
