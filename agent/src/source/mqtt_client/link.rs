//! What all connections to one broker share, whatever the protocol's version.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};

use super::DRAIN_TIMEOUT;
use crate::config::{ClientSettings, is_shared};
use crate::decode::Ask;
use crate::source::Intake;

/// How many messages may wait for their commit before no more are read. Acknowledgements held back keep brokers far
/// below it; it bounds what comes without any, at QoS 0.
const MAX_UNCOMMITTED: usize = 4096;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum ConnectionEnd {
    /// The agent stops.
    Stopped,
    /// A message could not be made durable; only a new connection makes the broker send it again.
    NotCommitted,
    /// The network or the broker ended it.
    Lost(String),
}

/// One broker.
pub(super) struct Link {
    pub(super) settings: ClientSettings,
    pub(super) client_id: String,
    /// For log lines.
    pub(super) broker: String,
    intake: Intake,
    uncommitted: Arc<Semaphore>,
    not_committed: Arc<Notify>,
    stopping: watch::Receiver<bool>,
    has_subscribed: bool,
    is_leaving: bool,
}

impl Link {
    pub(super) fn new(
        settings: ClientSettings,
        client_id: String,
        intake: Intake,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let broker = format!("{}:{}", settings.host, settings.port);
        Self {
            settings,
            client_id,
            broker,
            intake,
            uncommitted: Arc::new(Semaphore::new(MAX_UNCOMMITTED)),
            not_committed: Arc::default(),
            stopping,
            has_subscribed: false,
            is_leaving: false,
        }
    }

    /// Notes a CONNACK and tells whether to subscribe: always without a session, and once a start, as the
    /// configured topics may differ from those that the session knows.
    pub(super) fn must_subscribe(&mut self, session_present: bool) -> bool {
        tracing::info!(broker = self.broker, session_present, "connected to mqtt broker");
        let must = !session_present || !self.has_subscribed;
        self.has_subscribed = true;
        must
    }

    /// Notes that the broker refused a subscription.
    pub(super) fn note_refused_subscription(&self, position: usize) {
        let topic = self.settings.topics.get(position).map(String::as_str).unwrap_or_default();
        tracing::error!(broker = self.broker, topic, "broker refuses the subscription");
    }

    /// Returns the shared subscriptions that end with the agent.
    pub(super) fn groups_to_leave(&self) -> impl Iterator<Item = &str> {
        let filters = self.settings.topics.iter().map(String::as_str);
        filters.filter(|filter| self.settings.leave_groups && is_shared(filter))
    }

    /// Takes one message in; `acknowledge` is called when it is durable, on the committer's thread.
    ///
    /// Waits only for the committer, which does not wait for this connection, so that this cannot deadlock.
    pub(super) async fn take_in(
        &mut self,
        topic: &str,
        payload: &[u8],
        retained: bool,
        acknowledge: impl FnOnce() + Send + 'static,
    ) {
        if self.is_leaving {
            // Without an acknowledgement the broker keeps it.
            return;
        }
        if retained && !self.settings.take_retained && !self.intake.wants_retained(topic) {
            acknowledge();
            return;
        }
        let Ok(permit) = Arc::clone(&self.uncommitted).acquire_owned().await else { return };
        let not_committed = Arc::clone(&self.not_committed);
        let delivery = self.intake.deliver(topic, payload, move |outcome| {
            match outcome {
                Ok(()) => acknowledge(),
                Err(error) => {
                    tracing::debug!(%error, "message withheld");
                    not_committed.notify_one();
                }
            }
            // Not earlier: what waits for the last permit sends DISCONNECT behind the last acknowledgement.
            drop(permit);
        });
        let Some(delivery) = delivery else { return };
        let commits = self.intake.commits();
        if let Err(refused) = commits.try_submit(delivery)
            && let Err(error) = commits.submit(*refused).await
        {
            tracing::debug!(%error, "message not submitted");
        }
    }

    /// Returns what the last message makes us ask of devices.
    pub(super) fn take_asks(&mut self) -> Vec<Ask> {
        let asks = self.intake.take_asks();
        if self.settings.leaves_traces { asks } else { Vec::new() }
    }

    /// Takes messages in again.
    pub(super) const fn begin_connection(&mut self) {
        self.is_leaving = false;
    }

    /// Takes nothing more in: the connection lives only for the acknowledgements under way.
    pub(super) const fn begin_leaving(&mut self) {
        self.is_leaving = true;
    }

    /// Waits until the agent stops.
    pub(super) fn stop_requested(&self) -> impl Future<Output = ()> + use<> {
        let mut stopping = self.stopping.clone();
        async move {
            if stopping.wait_for(|stop| *stop).await.is_err() {
                tracing::debug!("the owner of the mqtt client is gone");
            }
        }
    }

    /// Waits until a message could not be made durable.
    pub(super) fn a_message_not_committed(&self) -> impl Future<Output = ()> + use<> {
        let not_committed = Arc::clone(&self.not_committed);
        async move { not_committed.notified().await }
    }

    /// Waits until everything taken in is committed, or the time for it is over.
    pub(super) fn drained(&self) -> impl Future<Output = ()> + use<> {
        let uncommitted = Arc::clone(&self.uncommitted);
        async move {
            let all = uncommitted.acquire_many(u32::try_from(MAX_UNCOMMITTED).unwrap_or(u32::MAX));
            if tokio::time::timeout(DRAIN_TIMEOUT, all).await.is_err() {
                tracing::warn!("mqtt client stops with messages not acknowledged");
            }
        }
    }

    /// Sleeps; true when the agent stops meanwhile.
    pub(super) async fn stops_within(&self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.stop_requested()).await.is_ok()
    }
}
