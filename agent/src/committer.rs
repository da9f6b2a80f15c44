//! Gathers what sources deliver into commits: one flush and fsync for all that came while the last one ran. What the
//! operator does not want kept is screened out on the way ([`Edge`]).
//!
//! Nothing here waits for a timer: publishers have small in-flight windows, and a linger before the
//! acknowledgement would cap them. This module must not know of MQTT or HTTP.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use penstock_shared::reading::{TimestampMicros, Value};
use tokio::sync::mpsc;

use crate::buffer::{Buffer, Group};
use crate::clock::{self, Clock};
use crate::delivery::{Delivery, NotCommitted};
use crate::edge::{Edge, Withheld};

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
    clock: Arc<Clock>,
}

impl CommitHandle {
    /// Returns the way into `queue`, for those in the committer's place who decide themselves what a delivery comes to.
    pub(crate) fn over(queue: mpsc::Sender<Delivery>) -> Self {
        Self { queue, clock: Arc::new(Clock::of_wall()) }
    }

    /// Returns the clock that tells when something arrives.
    #[must_use]
    pub const fn clock(&self) -> &Arc<Clock> {
        &self.clock
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
    let handle = CommitHandle { queue, clock: Arc::clone(&clock) };
    let committer = Committer { buffer, limits, edge, clock, deliveries };
    let thread = std::thread::Builder::new().name("committer".into()).spawn(move || committer.run())?;
    Ok((handle, thread))
}

struct Committer {
    buffer: Buffer,
    limits: CommitLimits,
    edge: Edge,
    clock: Arc<Clock>,
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
            let mut rest = waiting.drain(..).peekable();
            while rest.peek().is_some() {
                let gathered = gather(&mut rest, &self.limits, &mut self.edge, self.clock.now());
                self.commit(gathered);
            }
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
mod tests {
    use std::sync::mpsc as std_mpsc;

    use penstock_shared::reading::{Reading, Series};

    use super::*;
    use crate::buffer::BufferSettings;
    use crate::clock::ClockSettings;
    use crate::config::{ExceptionSettings, LimitSettings, SeriesSettings};
    use crate::delivery::DeadLetter;

    type Outcomes = std_mpsc::Receiver<Result<(), NotCommitted>>;

    fn deliveries(count: usize) -> (Vec<Delivery>, Outcomes) {
        let (report, outcomes) = std_mpsc::channel();
        let series = Arc::new(Series::new("temperature", "gw/a").unwrap());
        let deliveries = (0..count).map(|_| {
            let report = report.clone();
            Delivery {
                readings: vec![Reading {
                    series: Arc::clone(&series),
                    time: TimestampMicros(1),
                    value: Value::Number(1.0),
                }],
                dead_letters: Vec::new(),
                done: Box::new(move |outcome| report.send(outcome).unwrap()),
            }
        });
        (deliveries.collect(), outcomes)
    }

    fn clock(dir: &tempfile::TempDir) -> Arc<Clock> {
        Arc::new(Clock::open(dir.path(), ClockSettings::default()))
    }

    fn keep_all() -> Edge {
        Edge::new(&[], LimitSettings::default())
    }

    fn buffer(dir: &tempfile::TempDir, min_free_bytes: u64) -> Buffer {
        Buffer::open(BufferSettings { min_free_bytes, ..BufferSettings::new(dir.path().join("buffer")) })
            .unwrap()
    }

    #[test]
    fn every_delivery_is_acknowledged_once_and_only_when_it_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let buffer = buffer(&dir, 0);
        let (handle, thread) =
            spawn(buffer.clone(), CommitLimits::default(), keep_all(), clock(&dir)).unwrap();
        let (deliveries, outcomes) = deliveries(500);
        for delivery in deliveries {
            handle.try_submit(delivery).unwrap();
        }
        for acknowledged in 1..=500 {
            outcomes.recv().unwrap().unwrap();
            assert!(buffer.counts().received >= acknowledged);
        }
        drop(handle);
        thread.join().unwrap();
        assert!(outcomes.recv().is_err());
        assert_eq!(buffer.counts().received, 500);
    }

    #[test]
    fn what_is_queued_at_the_end_is_still_committed() {
        let dir = tempfile::tempdir().unwrap();
        let buffer = buffer(&dir, 0);
        let (handle, thread) =
            spawn(buffer.clone(), CommitLimits::default(), keep_all(), clock(&dir)).unwrap();
        let (deliveries, outcomes) = deliveries(100);
        for delivery in deliveries {
            handle.try_submit(delivery).unwrap();
        }
        drop(handle);
        thread.join().unwrap();
        assert_eq!(outcomes.iter().filter(Result::is_ok).count(), 100);
        assert_eq!(buffer.counts().received, 100);
    }

    #[test]
    fn a_disk_that_refuses_withholds_every_acknowledgement() {
        let dir = tempfile::tempdir().unwrap();
        let (handle, thread) =
            spawn(buffer(&dir, u64::MAX), CommitLimits::default(), keep_all(), clock(&dir)).unwrap();
        let (deliveries, outcomes) = deliveries(3);
        for delivery in deliveries {
            handle.try_submit(delivery).unwrap();
        }
        drop(handle);
        thread.join().unwrap();
        let outcomes: Vec<_> = outcomes.iter().collect();
        assert_eq!(outcomes.len(), 3);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(NotCommitted::Disk(_)))), "{outcomes:?}");
    }

    #[test]
    fn a_full_queue_hands_the_delivery_back() {
        let (queue, _kept) = mpsc::channel(1);
        let handle = CommitHandle::over(queue);
        let (deliveries, outcomes) = deliveries(2);
        let mut results = deliveries.into_iter().map(|delivery| handle.try_submit(delivery));
        assert!(results.next().unwrap().is_ok());
        let refused = results.next().unwrap().unwrap_err();
        (refused.done)(Err(NotCommitted::Stopping));
        assert_eq!(outcomes.recv().unwrap(), Err(NotCommitted::Stopping));
    }

    #[test]
    fn a_group_is_bounded_in_readings_and_bytes() {
        let limits = CommitLimits { queue_deliveries: 10, group_readings: 4, group_bytes: 1000 };
        let (deliveries, _outcomes) = deliveries(6);
        let mut deliveries = deliveries.into_iter();
        assert_eq!(
            gather(&mut deliveries, &limits, &mut keep_all(), TimestampMicros(1)).acknowledgements.len(),
            4
        );
        assert_eq!(
            gather(&mut deliveries, &limits, &mut keep_all(), TimestampMicros(1)).acknowledgements.len(),
            2
        );
        let letter = || DeadLetter {
            arrived_at: TimestampMicros(1),
            origin: String::new(),
            reason: String::new(),
            detail: String::new(),
            payload: vec![0; 600],
        };
        let mut large = (0..3).map(|_| Delivery {
            readings: Vec::new(),
            dead_letters: vec![letter()],
            done: Box::new(|_| ()),
        });
        assert_eq!(
            gather(&mut large, &limits, &mut keep_all(), TimestampMicros(1)).acknowledgements.len(),
            2
        );
    }
    fn only_changes() -> Edge {
        let exception = ExceptionSettings { deadband: Some(0.0), ..ExceptionSettings::default() };
        Edge::new(&[SeriesSettings { exception, ..SeriesSettings::default() }], LimitSettings::default())
    }

    #[test]
    fn what_is_withheld_is_acknowledged_and_counted_as_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let buffer = buffer(&dir, 0);
        let edge = only_changes();
        let counts = edge.counts();
        let (handle, thread) = spawn(buffer.clone(), CommitLimits::default(), edge, clock(&dir)).unwrap();
        let (deliveries, outcomes) = deliveries(10);
        for delivery in deliveries {
            handle.try_submit(delivery).unwrap();
            outcomes.recv().unwrap().unwrap();
        }
        drop(handle);
        thread.join().unwrap();
        let books = buffer.counts();
        assert_eq!((books.received, books.buffered, books.rejected), (10, 1, 9));
        assert_eq!(counts.now(), Withheld { unchanged: 9, ..Withheld::default() });
        drop(buffer);
        let reopened = Buffer::open(BufferSettings::new(dir.path().join("buffer"))).unwrap();
        assert_eq!(reopened.counts(), books);
    }

    #[test]
    fn a_reading_that_the_disk_refused_is_no_report_that_the_next_could_repeat() {
        let dir = tempfile::tempdir().unwrap();
        let buffer = buffer(&dir, u64::MAX);
        let mut committer = Committer {
            buffer: buffer.clone(),
            limits: CommitLimits::default(),
            edge: only_changes(),
            clock: clock(&dir),
            deliveries: mpsc::channel(1).1,
        };
        for _ in 0..2 {
            let (deliveries, outcomes) = deliveries(2);
            let gathered = gather(
                &mut deliveries.into_iter(),
                &committer.limits,
                &mut committer.edge,
                TimestampMicros(1),
            );
            assert_eq!((gathered.group.readings.len(), gathered.group.rejected), (1, 1));
            committer.commit(gathered);
            assert!(outcomes.iter().all(|outcome| outcome.is_err()));
        }
        assert_eq!(buffer.counts().received, 0);
        assert_eq!(committer.edge.counts().now(), Withheld::default());
    }
}
