//! Lets an operator listen to decoded readings as they enter the committer.
//!
//! Costs one relaxed load for each delivery while nobody listens. A listener that does not keep up misses readings
//! and is told how many: the committer never waits for it. This module must not know who listens.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use penstock_shared::reading::{Reading, Value};
use tokio::sync::mpsc;

use crate::config::Pattern;

/// What may wait for one listener, roughly, before it misses readings.
const MOST_WAITING_BYTES: usize = 1 << 20;
/// A reading without its text, with its share of the queue.
const READING_BYTES: usize = 64;

/// Which readings a listener wants; both must match.
#[derive(Debug, Clone, Default)]
pub struct TapFilter {
    /// Of these sources.
    pub source: Pattern,
    /// Of these types.
    pub event_type: Pattern,
}

/// The place where listeners are hung in.
#[derive(Debug, Default)]
pub struct Tap {
    listening: AtomicUsize,
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Debug)]
struct Listener {
    filter: TapFilter,
    // Bounded by the bytes that may wait, which a number of messages would not.
    queue: mpsc::UnboundedSender<Vec<Reading>>,
    backlog: Arc<Backlog>,
}

#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    missed: AtomicU64,
}

/// What one listener hears; it is unhung when this is dropped.
#[derive(Debug)]
pub struct Stream {
    tap: Arc<Tap>,
    queue: mpsc::UnboundedReceiver<Vec<Reading>>,
    backlog: Arc<Backlog>,
}

impl Tap {
    /// Starts listening.
    #[must_use]
    pub fn listen(self: &Arc<Self>, filter: TapFilter) -> Stream {
        let (sender, queue) = mpsc::unbounded_channel();
        let backlog = Arc::new(Backlog::default());
        let mut listeners = self.listeners();
        listeners.push(Listener { filter, queue: sender, backlog: Arc::clone(&backlog) });
        self.listening.store(listeners.len(), Ordering::Relaxed);
        Stream { tap: Arc::clone(self), queue, backlog }
    }

    /// Shows readings to whoever listens.
    pub(crate) fn show(&self, readings: &[Reading]) {
        if self.listening.load(Ordering::Relaxed) > 0 {
            self.listeners().iter().for_each(|listener| listener.hear(readings));
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    fn hear(&self, readings: &[Reading]) {
        let wanted: Vec<_> =
            readings.iter().filter(|reading| self.filter.matches(reading)).cloned().collect();
        if wanted.is_empty() {
            return;
        }
        let (count, bytes) = (wanted.len() as u64, bytes_of(&wanted));
        if self.backlog.bytes.load(Ordering::Relaxed) + bytes > MOST_WAITING_BYTES {
            self.backlog.missed.fetch_add(count, Ordering::Relaxed);
            return;
        }
        self.backlog.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.queue.send(wanted).is_err() {
            tracing::trace!("a listener is about to go");
        }
    }
}

impl TapFilter {
    fn matches(&self, reading: &Reading) -> bool {
        self.event_type.matches(&reading.series.event_type) && self.source.matches(&reading.series.source)
    }
}

impl Stream {
    /// Waits for the next readings, and returns them with the number of those missed since the last call. Cancel-safe.
    pub async fn next(&mut self) -> Option<(Vec<Reading>, u64)> {
        let readings = self.queue.recv().await?;
        self.backlog.bytes.fetch_sub(bytes_of(&readings), Ordering::Relaxed);
        Some((readings, self.backlog.missed.swap(0, Ordering::Relaxed)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut listeners = self.tap.listeners();
        listeners.retain(|listener| !Arc::ptr_eq(&listener.backlog, &self.backlog));
        self.tap.listening.store(listeners.len(), Ordering::Relaxed);
    }
}

fn bytes_of(readings: &[Reading]) -> usize {
    let texts = readings.iter().map(|reading| match &reading.value {
        Value::Text(text) => READING_BYTES + text.len(),
        _ => READING_BYTES,
    });
    texts.sum()
}

#[cfg(test)]
mod tests {
    use penstock_shared::reading::{Series, TimestampMicros};

    use super::*;

    fn reading(event_type: &str, number: f64) -> Reading {
        let series = Arc::new(Series::new(event_type, "gw/a").unwrap());
        Reading { series, time: TimestampMicros(1), value: Value::Number(number) }
    }

    #[tokio::test]
    async fn a_listener_hears_what_it_wants_and_nothing_else() {
        let tap = Arc::new(Tap::default());
        tap.show(&[reading("temperature", 0.0)]);
        let filter = TapFilter { event_type: Pattern::new("temp*"), ..TapFilter::default() };
        let mut stream = tap.listen(filter);
        tap.show(&[reading("humidity", 1.0), reading("temperature", 2.0)]);
        assert_eq!(stream.next().await, Some((vec![reading("temperature", 2.0)], 0)));
        drop(stream);
        assert_eq!(tap.listening.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_slow_listener_misses_readings_and_learns_how_many() {
        let tap = Arc::new(Tap::default());
        let mut stream = tap.listen(TapFilter::default());
        let offered = 3 * MOST_WAITING_BYTES / READING_BYTES;
        for number in 0..offered {
            tap.show(&[reading("temperature", number as f64)]);
        }
        let (mut heard, mut missed) = (0, 0);
        while heard + missed < offered as u64 {
            let (readings, since) = stream.next().await.unwrap();
            heard += readings.len() as u64;
            missed += since;
        }
        assert_eq!(heard, (MOST_WAITING_BYTES / READING_BYTES) as u64);
        assert_eq!(missed, offered as u64 - heard);
    }
}
