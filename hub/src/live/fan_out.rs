//! Who watches which channel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use penstock_shared::live::Channel;

use super::outbox::Outbox;
use crate::rollup::RollupKey;

/// The subscriptions of all clients.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    channels: Mutex<HashMap<Channel, Vec<Arc<Outbox>>>>,
}

impl FanOut {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Channel, Vec<Arc<Outbox>>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a subscriber; from now on it is offered every change.
    pub(super) fn subscribe(&self, channel: Channel, outbox: &Arc<Outbox>) {
        self.lock().entry(channel).or_default().push(Arc::clone(outbox));
    }

    /// Removes a subscriber from one channel.
    pub(super) fn unsubscribe(&self, channel: &Channel, outbox: &Arc<Outbox>) {
        let mut channels = self.lock();
        if let Some(subscribers) = channels.get_mut(channel) {
            subscribers.retain(|other| !Arc::ptr_eq(other, outbox));
            if subscribers.is_empty() {
                channels.remove(channel);
            }
        }
    }

    /// Returns the subscribers of a channel.
    pub(super) fn subscribers(&self, channel: &Channel) -> Vec<Arc<Outbox>> {
        self.lock().get(channel).cloned().unwrap_or_default()
    }

    /// Tells whether anybody watches a channel.
    pub(super) fn is_watched(&self, channel: &Channel) -> bool {
        self.lock().contains_key(channel)
    }

    /// Tells whether anybody watches raw readings.
    pub(super) fn watches_events(&self) -> bool {
        self.lock().keys().any(|channel| matches!(channel, Channel::Events(_)))
    }

    /// Keeps the buckets that anybody watches.
    pub(super) fn watched(&self, keys: Vec<RollupKey>) -> Vec<RollupKey> {
        let channels = self.lock();
        if channels.is_empty() {
            return Vec::new();
        }
        keys.into_iter().filter(|key| channels.contains_key(&channel_of(key))).collect()
    }

    /// Returns every subscription.
    pub(super) fn all(&self) -> Vec<(Channel, Arc<Outbox>)> {
        let channels = self.lock();
        channels
            .iter()
            .flat_map(|(channel, outboxes)| {
                outboxes.iter().map(|outbox| (channel.clone(), Arc::clone(outbox)))
            })
            .collect()
    }
}

/// Returns the channel that shows a bucket.
pub(super) fn channel_of(key: &RollupKey) -> Channel {
    Channel::Metrics {
        event_type: key.event_type.clone(),
        source: key.source.clone(),
        granularity: key.granularity,
    }
}
