//! Which lane is served, and when what is new overtakes a backlog or falls back into line behind it.

use std::time::{Duration, Instant};

use penstock_shared::reading::TimestampMicros;
use tokio::sync::watch;

use super::way::Way;
use super::{Forwarder, off_thread};
use crate::buffer::{Buffer, BufferError, Lane, SentCommit};

/// How soon a lane is served again in which there was nothing to send, while there are two.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// New readings overtake only a backlog that is older than this.
const OVERTAKEN_AGE_MICROS: i64 = 5_000_000;

impl Forwarder {
    /// Says when to look again after there was nothing to send in a lane: the other one waits for its turn.
    pub(super) fn look_again(&mut self, lane: Lane) -> Option<Instant> {
        if lane == Lane::Main && self.buffer.has_backlog() {
            // The books know of commits that this way has passed.
            self.main = Way::new(Lane::Main, &self.buffer, &self.settings);
        }
        self.express.is_some().then(|| Instant::now() + LOOK_AGAIN)
    }

    /// The way of what arrives now.
    pub(super) fn live(&mut self) -> &mut Way {
        self.express.as_mut().unwrap_or(&mut self.main)
    }

    pub(super) fn way(&mut self, lane: Lane) -> &mut Way {
        match lane {
            Lane::Main => &mut self.main,
            Lane::Express => self.live(),
        }
    }

    /// Lets what arrives now overtake what waits, where the commits that were just taken are old and many follow them.
    pub(super) async fn overtake(&mut self, taken: &[SentCommit]) {
        let (_, readings) = self.buffer.newest();
        let now = TimestampMicros::now().0;
        let is_old = taken.last().is_some_and(|last| now - last.received_at.0 > OVERTAKEN_AGE_MICROS);
        if is_old && self.live().core.is_far_behind(readings) {
            self.change_lanes(Buffer::open_express).await;
        }
    }

    /// Lets new commits go by the main lane again when nothing waits there any more.
    pub(super) async fn fall_back_into_line(&mut self) {
        if self.express.is_some() && !self.buffer.has_backlog() {
            self.change_lanes(Buffer::close_express).await;
        }
    }

    /// Changes the lanes. Nothing is sent before the change is on the disk.
    async fn change_lanes(&mut self, change: fn(&Buffer) -> Result<bool, BufferError>) {
        let buffer = self.buffer.clone();
        match tokio::task::spawn_blocking(move || change(&buffer)).await {
            Ok(Ok(false)) => return,
            Ok(Ok(true)) => {}
            outcome => tracing::error!(?outcome, "lanes are changed as soon as the disk takes it"),
        }
        self.take_lanes();
    }

    /// Waits until a change of lanes is on the disk; false when it is time to stop.
    pub(super) async fn until_lanes_are_saved(&mut self, shutdown: &watch::Receiver<bool>) -> bool {
        while self.buffer.lanes_are_unsaved() {
            if *shutdown.borrow() {
                return false;
            }
            let buffer = self.buffer.clone();
            off_thread(move || buffer.checkpoint()).await;
        }
        self.take_lanes();
        true
    }

    /// Goes on in the lanes that the buffer has.
    pub(super) fn take_lanes(&mut self) {
        // What is packed ahead may hold commits that now go by the other lane.
        self.main.forget_packed();
        self.express =
            self.buffer.express_is_open().then(|| Way::new(Lane::Express, &self.buffer, &self.settings));
        if self.express.is_none() {
            self.main.core.count_from(self.buffer.lane_start(Lane::Main).readings_before);
        }
    }
}
