//! What one client still has to be sent: bounded, newest state first to count, nothing back in time.
//!
//! Pure but for its lock: the socket drains it, the pusher fills it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use penstock_shared::live::Channel;
use tokio::sync::Notify;

/// Messages without a bucket (raw readings) that may wait for a slow client.
const MAX_EVENTS: usize = 1_000;
/// Buckets of a channel whose revision is remembered; older ones are past any chart's end.
const MAX_REMEMBERED_BUCKETS: usize = 512;

/// A state of one bucket, ready to send.
#[derive(Debug, Clone)]
pub(super) struct Update {
    /// What it replaces: the bucket's start, or 0 where a channel has one state only.
    pub(super) bucket_millis: i64,
    /// Newer states have greater revisions.
    pub(super) revision: i64,
    /// The message.
    pub(super) text: Arc<str>,
}

#[derive(Debug, Default)]
struct Subscription {
    /// Until the snapshot is there, updates are held.
    snapshot_sent: bool,
    held: BTreeMap<i64, Update>,
    revisions: BTreeMap<i64, i64>,
}

#[derive(Debug)]
enum Waiting {
    Text(Arc<str>),
    /// The newest state of a bucket stands in `newest`.
    Bucket(Channel, i64),
    Event(Arc<str>),
}

#[derive(Debug, Default)]
struct Inner {
    subscriptions: HashMap<Channel, Subscription>,
    queue: VecDeque<Waiting>,
    newest: HashMap<(Channel, i64), Arc<str>>,
    events: usize,
    skipped_events: u64,
}

/// One client's outbox.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    filled: Notify,
}

impl Outbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a subscription: updates are held from now on. False when it is open already.
    pub(super) fn open(&self, channel: &Channel) -> bool {
        let mut inner = self.lock();
        if inner.subscriptions.contains_key(channel) {
            return false;
        }
        inner.subscriptions.insert(channel.clone(), Subscription::default());
        true
    }

    /// Starts a subscription over: updates are held until the next snapshot.
    pub(super) fn reopen(&self, channel: &Channel) {
        if let Some(subscription) = self.lock().subscriptions.get_mut(channel) {
            *subscription = Subscription::default();
        }
    }

    /// Ends a subscription.
    pub(super) fn close(&self, channel: &Channel) {
        self.lock().subscriptions.remove(channel);
    }

    /// Returns how many channels are open.
    pub(super) fn channels(&self) -> usize {
        self.lock().subscriptions.len()
    }

    /// Sends a snapshot, then what was held and is newer.
    pub(super) fn snapshot(&self, channel: &Channel, text: Arc<str>, revisions: BTreeMap<i64, i64>) {
        let mut inner = self.lock();
        let Some(subscription) = inner.subscriptions.get_mut(channel) else { return };
        subscription.snapshot_sent = true;
        subscription.revisions = revisions;
        let held = std::mem::take(&mut subscription.held);
        inner.queue.push_back(Waiting::Text(text));
        for update in held.into_values() {
            inner.offer(channel, update);
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// Offers a state of a bucket. Returns how many waiting states it replaced.
    pub(super) fn offer(&self, channel: &Channel, update: Update) -> u64 {
        let replaced = self.lock().offer(channel, update);
        self.filled.notify_one();
        replaced
    }

    /// Offers a raw reading; beyond the limit the oldest waiting one is skipped and counted.
    pub(super) fn offer_event(&self, text: Arc<str>) {
        let mut inner = self.lock();
        if inner.events >= MAX_EVENTS {
            let oldest = inner.queue.iter().position(|waiting| matches!(waiting, Waiting::Event(_)));
            if let Some(index) = oldest {
                inner.queue.remove(index);
                inner.events -= 1;
                inner.skipped_events += 1;
            }
        }
        inner.events += 1;
        inner.queue.push_back(Waiting::Event(text));
        drop(inner);
        self.filled.notify_one();
    }

    /// Sends a message that replaces nothing.
    pub(super) fn say(&self, text: Arc<str>) {
        self.lock().queue.push_back(Waiting::Text(text));
        self.filled.notify_one();
    }

    /// Waits until there is something; cancel-safe.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes the next message.
    pub(super) fn next(&self) -> Option<Arc<str>> {
        let mut inner = self.lock();
        loop {
            match inner.queue.pop_front()? {
                Waiting::Text(text) => return Some(text),
                Waiting::Event(text) => {
                    inner.events -= 1;
                    return Some(text);
                }
                Waiting::Bucket(channel, bucket) => {
                    if let Some(text) = inner.newest.remove(&(channel, bucket)) {
                        return Some(text);
                    }
                }
            }
        }
    }

    /// Returns how many raw readings were skipped since the last call.
    pub(super) fn take_skipped(&self) -> u64 {
        std::mem::take(&mut self.lock().skipped_events)
    }
}

impl Inner {
    fn offer(&mut self, channel: &Channel, update: Update) -> u64 {
        let Some(subscription) = self.subscriptions.get_mut(channel) else { return 0 };
        if !subscription.snapshot_sent {
            subscription.held.insert(update.bucket_millis, update);
            return 0;
        }
        let known = subscription.revisions.entry(update.bucket_millis).or_insert(i64::MIN);
        if update.revision <= *known {
            return 0;
        }
        *known = update.revision;
        if subscription.revisions.len() > MAX_REMEMBERED_BUCKETS {
            subscription.revisions.pop_first();
        }
        let key = (channel.clone(), update.bucket_millis);
        if self.newest.insert(key.clone(), update.text).is_some() {
            return 1;
        }
        self.queue.push_back(Waiting::Bucket(key.0, key.1));
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> Channel {
        "flow:minute".parse().expect("a channel")
    }

    fn update(bucket_millis: i64, revision: i64) -> Update {
        Update { bucket_millis, revision, text: format!("{bucket_millis}@{revision}").into() }
    }

    fn drain(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.next()).map(|text| text.to_string()).collect()
    }

    #[test]
    fn updates_before_the_snapshot_follow_it_and_only_if_newer() {
        let outbox = Outbox::default();
        assert!(outbox.open(&channel()) && !outbox.open(&channel()));
        outbox.offer(&channel(), update(1, 5));
        outbox.offer(&channel(), update(2, 7));
        assert!(drain(&outbox).is_empty());
        outbox.snapshot(&channel(), "snapshot".into(), BTreeMap::from([(1, 5), (2, 6)]));
        assert_eq!(drain(&outbox), ["snapshot", "2@7"]);
    }

    #[test]
    fn a_slow_client_gets_the_newest_state_of_each_bucket_and_nothing_goes_back() {
        let outbox = Outbox::default();
        outbox.open(&channel());
        outbox.snapshot(&channel(), "snapshot".into(), BTreeMap::new());
        for revision in [1, 2, 3, 2] {
            outbox.offer(&channel(), update(1, revision));
        }
        outbox.offer(&channel(), update(2, 1));
        assert_eq!(drain(&outbox), ["snapshot", "1@3", "2@1"]);
    }

    #[test]
    fn raw_readings_are_bounded_and_the_skipped_are_counted() {
        let outbox = Outbox::default();
        for index in 0..MAX_EVENTS + 5 {
            outbox.offer_event(index.to_string().into());
        }
        assert_eq!(outbox.take_skipped(), 5);
        assert_eq!(drain(&outbox).len(), MAX_EVENTS);
    }
}
