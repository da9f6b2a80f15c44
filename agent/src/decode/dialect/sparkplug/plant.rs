//! What the births told: each node's metrics, and where its sequence stands. Bounded, whoever gives birth.

use std::collections::HashMap;
use std::sync::Arc;

use penstock_shared::reading::{MAX_NAME_BYTES, TimestampMicros};

use super::metric::{Metric, Payload};
use super::topic::SparkplugTopic;
use crate::decode::reason::{Reason, Undecodable};

/// Nodes remembered at most.
const MAX_NODES: usize = 500;
/// Metrics remembered at most, of all nodes: some 200 bytes each.
const MAX_METRICS: usize = 20_000;
/// A node of a longer name is not remembered; nor is a device whose name no series can have.
const MAX_KEY_BYTES: usize = 2 * MAX_NAME_BYTES;
/// A node is asked for its birth no more often than this: a whole plant's births are a load.
const ASK_AGAIN_MICROS: i64 = 10_000_000;

/// A metric as its birth told it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: Arc<str>,
    pub(super) datatype: u64,
    pub(super) unit: Option<Box<str>>,
}

/// All nodes.
#[derive(Debug, Default)]
pub(super) struct Plant {
    nodes: HashMap<String, Node>,
    metrics: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// The sequence number of the last message; none before a birth and after a death.
    last: Option<u8>,
    birth_death: Option<u64>,
    asked_at: Option<TimestampMicros>,
    /// The metrics of each device; those of the node itself have the empty name.
    devices: HashMap<Box<str>, Metrics>,
}

/// What a birth told of one device's metrics.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    by_alias: HashMap<u64, Arc<Known>>,
    by_name: HashMap<Arc<str>, Arc<Known>>,
}

impl Node {
    fn count(&self) -> usize {
        self.devices.values().map(Metrics::count).sum()
    }
}

impl Metrics {
    /// Returns a metric by its name or its alias. Aliases are unique in a node, and in some nodes only in a device.
    pub(super) fn known(&self, metric: &Metric<'_>) -> Option<&Known> {
        let by_name = metric.name.and_then(|name| self.by_name.get(name));
        by_name.or_else(|| self.by_alias.get(&metric.alias?)).map(Arc::as_ref)
    }

    /// A device without metrics takes room as well.
    fn count(&self) -> usize {
        self.by_name.len().max(self.by_alias.len()).max(1)
    }
}

impl Plant {
    /// Begins a node's session: whatever was known of it holds no more.
    pub(super) fn begin(&mut self, topic: &SparkplugTopic<'_>, payload: &Payload<'_>) {
        let Some(node) = self.node(topic) else { return };
        let asked_at = node.asked_at;
        let before = node.count();
        let last = Some(payload.sequence.unwrap_or_default() as u8);
        *node = Node { last, birth_death: payload.birth_death_sequence(), asked_at, ..Node::default() };
        self.metrics -= before;
    }

    /// Ends a node's session.
    pub(super) fn end(&mut self, topic: &SparkplugTopic<'_>) {
        if let Some(node) = self.nodes.get_mut(&topic.node_key()) {
            node.last = None;
        }
    }

    /// Tells whether a death is that of another session than the one that lives.
    pub(super) fn is_stale_death(&self, topic: &SparkplugTopic<'_>, payload: &Payload<'_>) -> bool {
        let lives = self.nodes.get(&topic.node_key()).filter(|node| node.last.is_some());
        let ended = payload.birth_death_sequence();
        lives.is_some_and(|node| node.birth_death.is_some() && ended.is_some() && node.birth_death != ended)
    }

    /// Notes a message's sequence number, and tells whether it is the next. One that comes again is no gap.
    pub(super) fn follows(&mut self, topic: &SparkplugTopic<'_>, sequence: Option<u64>) -> bool {
        let Some(node) = self.node(topic) else { return false };
        let Some(last) = node.last else { return false };
        let sequence = sequence.unwrap_or_default() as u8;
        let follows = sequence == last || sequence == last.wrapping_add(1);
        node.last = Some(sequence);
        follows
    }

    /// Remembers a birth's metrics.
    pub(super) fn learn(
        &mut self,
        topic: &SparkplugTopic<'_>,
        payload: &Payload<'_>,
    ) -> Result<(), Undecodable> {
        let room = MAX_METRICS.saturating_sub(self.metrics);
        let full = || {
            let detail = format!("{MAX_METRICS} metrics of {MAX_NODES} nodes are remembered at most");
            Err(Undecodable::new(Reason::TooManyKnown, detail))
        };
        let Some(node) = self.node(topic).filter(|_| topic.device.len() <= MAX_NAME_BYTES) else {
            return full();
        };
        if room == 0 && !node.devices.contains_key(topic.device) {
            return full();
        }
        let forgotten = node.devices.remove(topic.device).map_or(0, |metrics| metrics.count());
        let mut learned = Metrics::default();
        let mut outcome = Ok(());
        // A metric that is no metric is told of where its value is read.
        for metric in payload.metrics().flatten() {
            let Some(name) = metric.name.filter(|name| name.len() <= MAX_NAME_BYTES) else { continue };
            if learned.count() >= room + forgotten {
                outcome = full();
                break;
            }
            let unit = metric.unit().filter(|unit| unit.len() <= MAX_NAME_BYTES).map(Into::into);
            let datatype = metric.datatype.unwrap_or_default();
            let known = Arc::new(Known { name: name.into(), datatype, unit });
            if let Some(alias) = metric.alias {
                learned.by_alias.insert(alias, Arc::clone(&known));
            }
            learned.by_name.insert(Arc::clone(&known.name), known);
        }
        let added = learned.count();
        node.devices.insert(topic.device.into(), learned);
        self.metrics = self.metrics + added - forgotten;
        outcome
    }

    /// Returns what the last birth told of a device's metrics.
    pub(super) fn metrics(&self, topic: &SparkplugTopic<'_>) -> Option<&Metrics> {
        self.nodes.get(&topic.node_key())?.devices.get(topic.device)
    }

    /// Tells whether a node may be asked for its births now, and notes that it is.
    pub(super) fn may_ask(&mut self, topic: &SparkplugTopic<'_>, now: TimestampMicros) -> bool {
        let Some(node) = self.node(topic) else { return false };
        let waited = node.asked_at.is_none_or(|asked_at| (now.0 - asked_at.0).abs() >= ASK_AGAIN_MICROS);
        if waited {
            node.asked_at = Some(now);
        }
        waited
    }

    /// Returns a node, new where there is room; those that died make some.
    fn node(&mut self, topic: &SparkplugTopic<'_>) -> Option<&mut Node> {
        let key = topic.node_key();
        if key.len() > MAX_KEY_BYTES {
            return None;
        }
        if !self.nodes.contains_key(&key) && self.nodes.len() >= MAX_NODES {
            self.nodes.retain(|_, node| node.last.is_some());
            self.metrics = self.nodes.values().map(Node::count).sum();
            if self.nodes.len() >= MAX_NODES {
                return None;
            }
        }
        Some(self.nodes.entry(key).or_default())
    }
}
