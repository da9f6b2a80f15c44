//! Sensors whose every reading can be told from every other, so that a lost one and a doubled one have a name.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use penstock_shared::reading::TimestampMicros;
use tokio::task::JoinHandle;

use super::publisher::{Message, Pace, Progress, Publisher};

/// What one sensor published. The value of a reading is the number of its attempt, counted from 1.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The reading's type.
    pub event_type: String,
    /// The reading's source, with the agent's id before it.
    pub source: String,
    /// When each attempt was measured; the first has index 0.
    pub times: Vec<TimestampMicros>,
    /// Which attempts were acknowledged.
    pub acknowledged: HashSet<u64>,
}

/// A sensor to be.
#[derive(Debug, Clone)]
pub struct Sensor {
    /// The reading's type.
    pub event_type: String,
    /// The device's name; with the agent's id it becomes the source.
    pub device: String,
    /// How many publishes may be in flight.
    pub window: usize,
    /// How fast it publishes.
    pub pace: Pace,
    /// How far its clock is behind, in microseconds.
    pub clock_behind: i64,
    /// How many readings it has; none for no end.
    pub limit: Option<u64>,
}

impl Sensor {
    /// A sensor of type `load` with the present time and no end.
    #[must_use]
    pub fn new(device: &str, pace: Pace) -> Self {
        let (event_type, device) = ("load".to_owned(), device.to_owned());
        Self { event_type, device, window: 100, pace, clock_behind: 0, limit: None }
    }

    /// Publishes so many readings and no more.
    #[must_use]
    pub fn limited_to(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Publishes readings of an earlier time.
    #[must_use]
    pub fn behind(mut self, micros: i64) -> Self {
        self.clock_behind = micros;
        self
    }

    /// Measures another quantity.
    #[must_use]
    pub fn of_type(mut self, event_type: &str) -> Self {
        event_type.clone_into(&mut self.event_type);
        self
    }
}

/// Running sensors.
#[derive(Debug, Default)]
pub struct Sensors(Vec<Running>);

#[derive(Debug)]
struct Running {
    record: Arc<Mutex<Record>>,
    progress: Arc<Progress>,
    task: JoinHandle<()>,
}

impl Sensors {
    /// Starts `count` sensors that together publish `per_second` readings.
    #[must_use]
    pub fn start(listener: SocketAddr, agent: &str, count: usize, per_second: f64) -> Self {
        let pace = Pace::PerSecond(per_second / count as f64);
        Self::start_each(
            listener,
            agent,
            (0..count).map(|number| Sensor::new(&format!("sensor{number}"), pace)),
        )
    }

    /// Starts the sensors given.
    #[must_use]
    pub fn start_each(listener: SocketAddr, agent: &str, sensors: impl IntoIterator<Item = Sensor>) -> Self {
        Self(sensors.into_iter().map(|sensor| sensor.start(listener, agent)).collect())
    }

    /// Returns how many readings were acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.0.iter().map(|running| running.progress.acknowledged()).sum()
    }

    /// Returns how many publishes were attempted so far.
    #[must_use]
    pub fn attempted(&self) -> u64 {
        self.0.iter().map(|running| running.progress.attempted()).sum()
    }

    /// Waits until sensors with a limit have published everything and have it acknowledged.
    pub async fn finish(self) -> Vec<Record> {
        let mut records = Vec::new();
        for running in self.0 {
            running.task.await.expect("a sensor does not panic");
            records.push(take(&running.record));
        }
        records
    }

    /// Ends all sensors and returns what they remember.
    pub async fn stop(self) -> Vec<Record> {
        for running in &self.0 {
            running.progress.stop();
        }
        self.finish().await
    }
}

impl Sensor {
    fn start(self, listener: SocketAddr, agent: &str) -> Running {
        let source = format!("{agent}/{}", self.device);
        let record = Record { event_type: self.event_type.clone(), source, ..Record::default() };
        let record = Arc::new(Mutex::new(record));
        let (published, heard) = (Arc::clone(&record), Arc::clone(&record));
        let topic = format!("{}/{}", self.device, self.event_type);
        let limit = self.limit.unwrap_or(u64::MAX);
        let next = move |attempt: u64| {
            if attempt > limit {
                return None;
            }
            let time = TimestampMicros(TimestampMicros::now().0 - self.clock_behind);
            lock(&published).times.push(time);
            // The unit of `ts` is told from its size: microseconds.
            let payload = format!("{{\"value\":{attempt},\"ts\":{}}}", time.0).into_bytes();
            Some(Message { topic: topic.clone(), payload })
        };
        let acknowledged = move |attempt: u64| {
            lock(&heard).acknowledged.insert(attempt);
        };
        let (client, window, pace) = (self.device, self.window, self.pace);
        let publisher = Publisher { address: listener, client, window, pace, next, acknowledged };
        let progress = Arc::new(Progress::default());
        let task = tokio::spawn(publisher.run(Arc::clone(&progress)));
        Running { record, progress, task }
    }
}

fn lock(record: &Mutex<Record>) -> std::sync::MutexGuard<'_, Record> {
    record.lock().expect("nobody panics while holding a record")
}

fn take(record: &Mutex<Record>) -> Record {
    std::mem::take(&mut lock(record))
}
