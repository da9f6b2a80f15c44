//! Gathers what sources deliver into commits: one flush and fsync for all that came while the last one ran. What the
//! operator does not want kept is screened out on the way ([`Edge`]).
//!
//! Nothing here waits for a timer unless the operator wants it, to spare flash: publishers have small in-flight windows,
//! and a linger before the acknowledgement caps them. This module must not know of MQTT or HTTP.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use penstock_shared::reading::{TimestampMicros, Value};
use tokio::sync::mpsc;

use crate::buffer::{Buffer, Group};
use crate::clock::{self, Clock};
use crate::config::{LimitSettings, SeriesSettings};
use crate::delivery::{Delivery, NotCommitted};
use crate::edge::{Edge, Withheld};
use crate::service::Pulse;
use crate::tap::Tap;

/// What a reading takes in a commit, roughly, beside its text.
const READING_BYTES: usize = 16;
/// How often a lingering committer looks whether its queue is full.
const LINGER_STEP: Duration = Duration::from_millis(5);

/// The bounds of the committer's queue and of one group.
#[derive(Debug, Clone)]
pub struct CommitLimits {
    /// The most deliveries that wait in the queue; a full queue holds sources back.
    pub queue_deliveries: usize,
    /// The most readings that one flush makes durable.
    pub group_readings: usize,
    /// The most bytes, roughly, that one flush makes durable.
    pub group_bytes: usize,
    /// How long a group waits for more before it is flushed, unless the queue fills up; acknowledgements wait with it.
    pub linger: Duration,
}

impl Default for CommitLimits {
    fn default() -> Self {
        Self { queue_deliveries: 1024, group_readings: 8192, group_bytes: 1 << 20, linger: Duration::ZERO }
    }
}

/// The way in for sources; cheap to clone, usable from any runtime.
#[derive(Debug, Clone)]
pub struct CommitHandle {
    queue: mpsc::Sender<Delivery>,
    clock: Arc<Clock>,
    tap: Arc<Tap>,
    pulse: Pulse,
    rules: NewRules,
}

/// Rules for series that the committer has not taken yet.
type NewRules = Arc<Mutex<Option<(Vec<SeriesSettings>, LimitSettings)>>>;

impl CommitHandle {
    /// Returns the way into `queue`, for those in the committer's place who decide themselves what a delivery comes to.
    pub(crate) fn over(queue: mpsc::Sender<Delivery>) -> Self {
        Self {
            queue,
            clock: Arc::new(Clock::of_wall()),
            tap: Arc::default(),
            pulse: Pulse::default(),
            rules: Arc::default(),
        }
    }

    /// Returns the clock that tells when something arrives.
    #[must_use]
    pub const fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// Returns the committer's pulse.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Screens what comes from now on by other rules. What is remembered for report by exception is forgotten, so each
    /// series is reported once more.
    pub fn change_rules(&self, rules: Vec<SeriesSettings>, limits: LimitSettings) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Some((rules, limits));
    }

    /// Returns where an operator listens to what comes in.
    #[must_use]
    pub const fn tap(&self) -> &Arc<Tap> {
        &self.tap
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
pub fn spawn(
    buffer: Buffer,
    limits: CommitLimits,
    edge: Edge,
    clock: Arc<Clock>,
) -> std::io::Result<(CommitHandle, JoinHandle<()>)> {
    let (queue, deliveries) = mpsc::channel(limits.queue_deliveries);
    let tap = Arc::<Tap>::default();
    let pulse = Pulse::default();
    let rules = NewRules::default();
    let handle = CommitHandle {
        rules: Arc::clone(&rules),
        queue,
        clock: Arc::clone(&clock),
        tap: Arc::clone(&tap),
        pulse: pulse.clone(),
    };
    let committer = Committer { buffer, limits, edge, clock, tap, pulse, rules, deliveries };
    let thread = std::thread::Builder::new().name("committer".into()).spawn(move || committer.run())?;
    Ok((handle, thread))
}

struct Committer {
    buffer: Buffer,
    limits: CommitLimits,
    edge: Edge,
    clock: Arc<Clock>,
    tap: Arc<Tap>,
    pulse: Pulse,
    rules: NewRules,
    deliveries: mpsc::Receiver<Delivery>,
}

type Done = Box<dyn FnOnce(Result<(), NotCommitted>) + Send>;

/// Deliveries that share one flush.
struct Gathered {
    group: Group,
    withheld: Withheld,
    acknowledgements: Vec<Done>,
}

impl Committer {
    fn run(mut self) {
        let mut waiting = Vec::new();
        while self.deliveries.blocking_recv_many(&mut waiting, self.limits.group_readings) > 0 {
            self.linger(&mut waiting);
            waiting.iter().for_each(|delivery: &Delivery| self.tap.show(&delivery.readings));
            let mut rest = waiting.drain(..).peekable();
            while rest.peek().is_some() {
                let pulse = self.pulse.clone();
                let _in_hand = pulse.begin();
                self.take_rules();
                let gathered = gather(&mut rest, &self.limits, &mut self.edge, self.clock.now());
                self.commit(gathered);
            }
        }
    }

    fn take_rules(&mut self) {
        let new = self.rules.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((rules, limits)) = new {
            self.edge.change_rules(&rules, limits);
        }
    }

    /// Waits for more, up to the linger, a full queue or the end.
    fn linger(&mut self, waiting: &mut Vec<Delivery>) {
        if self.limits.linger.is_zero() {
            return;
        }
        let end = Instant::now() + self.limits.linger;
        let is_full = |queued: usize| queued >= self.limits.queue_deliveries;
        while Instant::now() < end && !is_full(self.deliveries.len()) && !self.deliveries.is_closed() {
            std::thread::sleep(LINGER_STEP.min(end.saturating_duration_since(Instant::now())));
        }
        while waiting.len() < self.limits.group_readings
            && let Ok(delivery) = self.deliveries.try_recv()
        {
            waiting.push(delivery);
        }
    }

    fn commit(&mut self, gathered: Gathered) {
        let Gathered { mut group, withheld, acknowledgements } = gathered;
        let outcome = self.keep(&mut group);
        match &outcome {
            Ok(()) => self.edge.settle(&withheld),
            Err(error) => {
                // The fault itself is reported once by the buffer; this recurs with every group.
                tracing::debug!(%error, deliveries = acknowledgements.len(), "group not committed");
                self.edge.undo();
            }
        }
        for done in acknowledgements {
            done(outcome.clone());
        }
    }

    fn keep(&self, group: &mut Group) -> Result<(), NotCommitted> {
        if group.readings.is_empty() && group.dead_letters.is_empty() {
            // There is nothing that the disk must have; the next commit carries the count.
            self.buffer.count_rejected(group.rejected);
            return Ok(());
        }
        if let Err(error) = self.clock.tick()
            && group.readings.iter().any(|reading| clock::is_stamp(reading.time))
        {
            return Err(NotCommitted::Disk(format!("which boot this is cannot be noted: {error}")));
        }
        for letter in group.dead_letters.iter_mut().filter(|letter| clock::is_stamp(letter.arrived_at)) {
            // Nobody resolves it later, so it says what the clock said.
            letter.arrived_at = self.clock.wall();
        }
        self.buffer.append(group).map(drop).map_err(|error| NotCommitted::from(&error))
    }
}

/// Takes deliveries until a bound is reached; always at least one.
fn gather(
    deliveries: &mut impl Iterator<Item = Delivery>,
    limits: &CommitLimits,
    edge: &mut Edge,
    received_at: TimestampMicros,
) -> Gathered {
    let mut group = Group { received_at, ..Group::default() };
    let now = Instant::now();
    let mut withheld = Withheld::default();
    let mut acknowledgements = Vec::new();
    let mut bytes = 0;
    for delivery in deliveries {
        bytes += bytes_of(&delivery);
        let screened = edge.screen(delivery.readings, now, group.received_at);
        group.readings.extend(screened.kept);
        group.dead_letters.extend(screened.dead_letters);
        group.dead_letters.extend(delivery.dead_letters);
        withheld.add(&screened.withheld);
        acknowledgements.push(delivery.done);
        if group.readings.len() >= limits.group_readings || bytes >= limits.group_bytes {
            break;
        }
    }
    group.rejected = withheld.total();
    Gathered { group, withheld, acknowledgements }
}

fn bytes_of(delivery: &Delivery) -> usize {
    let texts = delivery.readings.iter().map(|reading| match &reading.value {
        Value::Text(text) => READING_BYTES + text.len(),
        _ => READING_BYTES,
    });
    let letters = delivery.dead_letters.iter().map(|letter| letter.payload.len() + letter.detail.len());
    texts.sum::<usize>() + letters.sum::<usize>()
}

#[cfg(test)]
mod tests;
