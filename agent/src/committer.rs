//! Gathers what sources deliver into commits: one flush and fsync for all that came while the last one ran.
//!
//! Nothing here waits for a timer: publishers have small in-flight windows, and a linger before the
//! acknowledgement would cap them. This module must not know of MQTT or HTTP.

use std::thread::JoinHandle;

use penstock_shared::reading::{TimestampMicros, Value};
use tokio::sync::mpsc;

use crate::buffer::{Buffer, Group};
use crate::delivery::{Delivery, NotCommitted};

/// What a reading takes in a commit, roughly, beside its text.
const READING_BYTES: usize = 16;

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
pub fn spawn(buffer: Buffer, limits: CommitLimits) -> std::io::Result<(CommitHandle, JoinHandle<()>)> {
    let (queue, deliveries) = mpsc::channel(limits.queue_deliveries);
    let committer = Committer { buffer, limits, deliveries };
    let thread = std::thread::Builder::new().name("committer".into()).spawn(move || committer.run())?;
    Ok((CommitHandle { queue }, thread))
}

struct Committer {
    buffer: Buffer,
    limits: CommitLimits,
    deliveries: mpsc::Receiver<Delivery>,
}

type Done = Box<dyn FnOnce(Result<(), NotCommitted>) + Send>;

impl Committer {
    fn run(mut self) {
        let mut waiting = Vec::new();
        while self.deliveries.blocking_recv_many(&mut waiting, self.limits.group_readings) > 0 {
            let mut rest = waiting.drain(..).peekable();
            while rest.peek().is_some() {
                let (group, acknowledgements) = gather(&mut rest, &self.limits);
                self.commit(&group, acknowledgements);
            }
        }
    }

    fn commit(&self, group: &Group, acknowledgements: Vec<Done>) {
        let outcome = match self.buffer.append(group) {
            Ok(_) => Ok(()),
            Err(error) => {
                // The fault itself is reported once by the buffer; this recurs with every group.
                tracing::debug!(%error, deliveries = acknowledgements.len(), "group not committed");
                Err(NotCommitted::from(&error))
            }
        };
        for done in acknowledgements {
            done(outcome.clone());
        }
    }
}

/// Takes deliveries until a bound is reached; always at least one.
fn gather(deliveries: &mut impl Iterator<Item = Delivery>, limits: &CommitLimits) -> (Group, Vec<Done>) {
    let mut group = Group { received_at: TimestampMicros::now(), ..Group::default() };
    let mut acknowledgements = Vec::new();
    let mut bytes = 0;
    for delivery in deliveries {
        bytes += bytes_of(&delivery);
        group.readings.extend(delivery.readings);
        group.dead_letters.extend(delivery.dead_letters);
        acknowledgements.push(delivery.done);
        if group.readings.len() >= limits.group_readings || bytes >= limits.group_bytes {
            break;
        }
    }
    (group, acknowledgements)
}

fn bytes_of(delivery: &Delivery) -> usize {
    let texts = delivery.readings.iter().map(|reading| match &reading.value {
        Value::Text(text) => READING_BYTES + text.len(),
        _ => READING_BYTES,
    });
    let letters = delivery.dead_letters.iter().map(|letter| letter.payload.len() + letter.detail.len());
    texts.sum::<usize>() + letters.sum::<usize>()
}
