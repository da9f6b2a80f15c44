//! One MQTT connection that publishes with QoS 1 and a bounded window, and comes back after every loss.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::packet::{self, Incoming};

/// How long a publisher waits before it connects again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection may take, and how long the last acknowledgements may take after the end was asked for.
const PATIENCE: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 16 * 1024;
/// How often a paced publisher looks whether its next message is due.
const PACE_STEP: Duration = Duration::from_millis(1);
/// How often a publisher with a full window looks whether it shall stop.
const STOP_STEP: Duration = Duration::from_millis(100);

/// What is published.
#[derive(Debug, Clone)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
}

/// How fast to publish.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As fast as acknowledgements come.
    Unlimited,
    /// So many a second.
    PerSecond(f64),
}

/// Counts that others may watch while a publisher runs.
#[derive(Debug, Default)]
pub struct Progress {
    attempted: AtomicU64,
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

impl Progress {
    /// Returns how many publishes were attempted.
    #[must_use]
    pub fn attempted(&self) -> u64 {
        self.attempted.load(Ordering::Relaxed)
    }

    /// Returns how many were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Asks the publisher to end: it sends nothing more, and waits a little for what is in flight.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A publisher. `next` makes the message of each attempt (counted from 1), or none when there are no more;
/// `acknowledged` hears which attempts arrived safely.
pub struct Publisher<Next, Heard> {
    /// Where to connect to.
    pub address: SocketAddr,
    /// The client id.
    pub client: String,
    /// How many may be in flight.
    pub window: usize,
    /// How fast to publish.
    pub pace: Pace,
    /// Makes the messages.
    pub next: Next,
    /// Hears of acknowledgements.
    pub acknowledged: Heard,
}

impl<Next, Heard> Publisher<Next, Heard>
where
    Next: FnMut(u64) -> Option<Message>,
    Heard: FnMut(u64),
{
    /// Publishes until it is asked to stop, or there are no more messages and all are acknowledged.
    ///
    /// What was in flight when a connection was lost is never sent again: whether it arrived is unknown, and each
    /// attempt must stay distinguishable.
    pub async fn run(mut self, progress: Arc<Progress>) {
        let started = Instant::now();
        loop {
            if let Some(stream) = connect(self.address, &self.client).await
                && self.session(stream, started, &progress).await
            {
                return;
            }
            if progress.stopping() {
                return;
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    /// Returns whether the work is done; else the connection was lost.
    async fn session(&mut self, stream: TcpStream, started: Instant, progress: &Progress) -> bool {
        let (mut from, mut to) = stream.into_split();
        let mut flight = Flight::default();
        let (mut incoming, mut outgoing) = (Vec::with_capacity(READ_BYTES), Vec::new());
        let mut stop_asked: Option<Instant> = None;
        loop {
            if progress.stopping() {
                stop_asked.get_or_insert_with(Instant::now);
            }
            let more = stop_asked.is_none() && self.fill(&mut flight, &mut outgoing, started, progress);
            if !outgoing.is_empty() {
                let Ok(Ok(())) = timeout(PATIENCE, to.write_all(&outgoing)).await else { return false };
                outgoing.clear();
            }
            if !more && (flight.attempts.is_empty() || stop_asked.is_some_and(|at| at.elapsed() > PATIENCE)) {
                return true;
            }
            let pause = if flight.attempts.len() < self.window { PACE_STEP } else { STOP_STEP };
            match timeout(pause, from.read_buf(&mut incoming)).await {
                Ok(Ok(1..)) => self.hear(&mut incoming, &mut flight, progress),
                Ok(_) => return false,
                Err(_) => {}
            }
        }
    }

    /// Puts into `outgoing` what the window and the pace allow; tells whether there are more messages to come.
    fn fill(
        &mut self,
        flight: &mut Flight,
        outgoing: &mut Vec<u8>,
        started: Instant,
        progress: &Progress,
    ) -> bool {
        let due = match self.pace {
            Pace::Unlimited => f64::INFINITY,
            Pace::PerSecond(rate) => started.elapsed().as_secs_f64() * rate,
        };
        while flight.attempts.len() < self.window && (progress.attempted() as f64) < due {
            let attempt = progress.attempted() + 1;
            let Some(message) = (self.next)(attempt) else { return false };
            progress.attempted.store(attempt, Ordering::Relaxed);
            let id = flight.start(attempt);
            packet::publish(outgoing, &message.topic, id, &message.payload);
        }
        true
    }

    fn hear(&mut self, incoming: &mut Vec<u8>, flight: &mut Flight, progress: &Progress) {
        let mut taken = 0;
        while let Some((what, len)) = packet::take(&incoming[taken..]) {
            taken += len;
            if let Incoming::Acknowledged(id) = what
                && let Some(attempt) = flight.attempts.remove(&id)
            {
                (self.acknowledged)(attempt);
                progress.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        }
        incoming.drain(..taken);
    }
}

/// What was sent and not acknowledged.
#[derive(Debug, Default)]
struct Flight {
    attempts: HashMap<u16, u64>,
    last_id: u16,
}

impl Flight {
    fn start(&mut self, attempt: u64) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if let Entry::Vacant(place) = self.attempts.entry(self.last_id) {
                place.insert(attempt);
                return self.last_id;
            }
        }
    }
}

async fn connect(address: SocketAddr, client: &str) -> Option<TcpStream> {
    let opening = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let mut bytes = Vec::new();
        packet::connect(&mut bytes, client, None);
        stream.write_all(&bytes).await.ok()?;
        bytes.clear();
        loop {
            stream.read_buf(&mut bytes).await.ok().filter(|len| *len > 0)?;
            if let Some((what, _)) = packet::take(&bytes) {
                return (what == Incoming::Connected).then_some(stream);
            }
        }
    };
    timeout(PATIENCE, opening).await.ok().flatten()
}
