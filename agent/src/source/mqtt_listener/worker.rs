//! What the connections of one thread share, and what they do with a message whatever the protocol's version.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ntex_mqtt::error::{DecodeError, ProtocolError};
use ntex_mqtt::{Control, Payload, Reason};

use super::acks::{AckDesk, PendingAcks};
use super::admission::{Admission, Place, Refusal};
use super::counters::ListenerCounters;
use super::rate::Pace;
use crate::committer::CommitHandle;
use crate::config::ListenerSettings;
use crate::decode::Decoder;
use crate::delivery::NotCommitted;
use crate::source::Intake;
use crate::tls::Renewing;

/// What a worker is made of; crosses to its thread.
#[derive(Clone)]
pub(super) struct WorkerSeed {
    pub(super) settings: ListenerSettings,
    pub(super) certificates: Option<Renewing>,
    pub(super) make_decoder: Arc<dyn Fn() -> Decoder + Send + Sync>,
    pub(super) commits: CommitHandle,
    pub(super) acks: Arc<PendingAcks>,
    pub(super) counters: Arc<ListenerCounters>,
    pub(super) stopping: Arc<AtomicBool>,
}

/// Why a connection is closed by this side. The device has no acknowledgement and sends again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Closed {
    /// A message could not be made durable.
    #[error("not committed: {0}")]
    NotCommitted(#[from] NotCommitted),
    /// A payload broke off.
    #[error("payload broke off")]
    Payload,
    /// The library could not make a service, which those here always can.
    #[error("no service")]
    NoService,
}

impl From<()> for Closed {
    fn from((): ()) -> Self {
        Self::NoService
    }
}

/// Shared by the connections of one thread.
pub(super) struct Worker {
    admission: Admission,
    intake: RefCell<Intake>,
    commits: CommitHandle,
    desk: Rc<AckDesk>,
    counters: Arc<ListenerCounters>,
    stopping: Arc<AtomicBool>,
    started_at: Instant,
    max_messages_per_second: u32,
}

/// One connection that was admitted.
#[derive(Debug)]
pub(super) struct Connection {
    client_id: String,
    counters: Arc<ListenerCounters>,
    pace: RefCell<Pace>,
    _place: Place,
}

impl Worker {
    /// Makes the worker on its own thread and starts handing acknowledgements on.
    pub(super) fn start(seed: &WorkerSeed) -> Rc<Self> {
        let desk = AckDesk::new(Arc::clone(&seed.acks));
        ntex::rt::spawn(Rc::clone(&desk).run()).detach();
        Rc::new(Self {
            admission: Admission::new(seed.settings.credentials.clone(), seed.settings.max_connections),
            intake: RefCell::new(
                Intake::new((seed.make_decoder)(), seed.commits.clone())
                    .counting_into(seed.counters.intake()),
            ),
            commits: seed.commits.clone(),
            desk,
            counters: Arc::clone(&seed.counters),
            stopping: Arc::clone(&seed.stopping),
            started_at: Instant::now(),
            max_messages_per_second: seed.settings.max_messages_per_second,
        })
    }

    /// Decides on a CONNECT.
    pub(super) fn admit(
        &self,
        client_id: &str,
        username: Option<&str>,
        password: Option<&[u8]>,
    ) -> Result<Connection, Refusal> {
        let entered = if self.stopping.load(Ordering::Acquire) {
            Err(Refusal::Stopping)
        } else {
            self.admission.enter(username, password)
        };
        let client_id: String = client_id.chars().take(128).collect();
        match entered {
            Ok(place) => {
                tracing::debug!(client_id, "mqtt device connected");
                let pace = RefCell::new(Pace::new(self.max_messages_per_second));
                let counters = Arc::clone(&self.counters);
                Ok(Connection { client_id, counters, pace, _place: place })
            }
            Err(refusal) => {
                let total = self.counters.count_refused();
                tracing::warn!(client_id, ?refusal, total, "mqtt connection refused");
                Err(refusal)
            }
        }
    }

    /// Takes one message in; ready when it is durable.
    pub(super) async fn take_in(
        &self,
        connection: &Connection,
        topic: &str,
        payload: Payload,
    ) -> Result<(), Closed> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(NotCommitted::Stopping.into());
        }
        let wait = connection.pace.borrow_mut().wait(self.started_at.elapsed());
        if !wait.is_zero() {
            ntex::time::sleep(wait).await;
        }
        let payload = payload.read_all().await.or_else(|error| match error {
            // The library calls an empty payload consumed.
            ntex_mqtt::error::PayloadError::Consumed => Ok(ntex::util::Bytes::new()),
            _ => Err(Closed::Payload),
        })?;
        let (ticket, outcome) = self.desk.ticket();
        let delivery =
            self.intake.borrow_mut().deliver(topic, &payload, move |outcome| ticket.report(outcome));
        if let Some(Err(refused)) = delivery.map(|delivery| self.commits.try_submit(delivery)) {
            // The queue is full: this is where back pressure comes from, as the in-flight window fills behind it.
            self.commits.submit(*refused).await?;
        }
        outcome.await.unwrap_or(Err(NotCommitted::Stopping))?;
        Ok(())
    }
}

/// Tells the operator why a connection ends, where that is worth a line.
pub(super) fn note_end(connection: &Connection, control: &Control<Closed>) {
    let Connection { client_id, counters, .. } = connection;
    match control {
        Control::WrBackpressure(_) => {}
        Control::Stop(Reason::PeerGone(_)) => tracing::debug!(client_id, "mqtt device gone"),
        Control::Stop(Reason::Error(error)) => {
            tracing::warn!(client_id, error = %error.get_ref(), "mqtt connection closed without acknowledgement");
        }
        Control::Stop(Reason::Protocol(error)) => match error.get_ref() {
            ProtocolError::Decode(DecodeError::MaxSizeExceeded { size, max_size }) => {
                let total = counters.count_oversized();
                tracing::warn!(
                    client_id,
                    size,
                    max_size,
                    total,
                    "mqtt packet above max_packet_bytes, connection closed"
                );
            }
            error => {
                let total = counters.count_faulty();
                tracing::warn!(client_id, %error, total, "mqtt connection closed for a protocol fault");
            }
        },
    }
}
