//! A Sparkplug topic, taken apart.

use std::sync::Arc;

/// What every topic begins with.
pub(super) const NAMESPACE: &str = "spBv1.0/";

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    NodeBirth,
    NodeData,
    NodeDeath,
    DeviceBirth,
    DeviceData,
    DeviceDeath,
    /// A command, or the state of a host application.
    Other,
}

/// Who speaks, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SparkplugTopic<'a> {
    group: &'a str,
    node: &'a str,
    pub(super) kind: Kind,
    /// Empty: the node itself.
    pub(super) device: &'a str,
}

impl<'a> SparkplugTopic<'a> {
    pub(super) fn parse(topic: &'a str) -> Option<Self> {
        let rest = topic.strip_prefix(NAMESPACE)?;
        if rest.starts_with("STATE/") {
            return Some(Self { group: "", node: "", kind: Kind::Other, device: "" });
        }
        let mut levels = rest.split('/');
        let (group, kind, node) = (levels.next()?, levels.next()?, levels.next()?);
        let device = levels.next();
        let kind = match (kind, device.is_some()) {
            ("NBIRTH", false) => Kind::NodeBirth,
            ("NDATA", false) => Kind::NodeData,
            ("NDEATH", false) => Kind::NodeDeath,
            ("DBIRTH", true) => Kind::DeviceBirth,
            ("DDATA", true) => Kind::DeviceData,
            ("DDEATH", true) => Kind::DeviceDeath,
            ("NCMD", false) | ("DCMD", true) => Kind::Other,
            _ => return None,
        };
        let named = !group.is_empty() && !node.is_empty() && levels.next().is_none();
        named.then(|| Self { group, node, kind, device: device.unwrap_or_default() })
    }

    /// Returns what tells the node from all others.
    pub(super) fn node_key(&self) -> String {
        format!("{}/{}", self.group, self.node)
    }

    pub(super) fn source(&self) -> Arc<str> {
        let Self { group, node, device, .. } = self;
        if device.is_empty() { format!("{group}/{node}") } else { format!("{group}/{node}/{device}") }.into()
    }

    /// Returns where commands to the node are published.
    pub(super) fn command_topic(&self) -> String {
        format!("{NAMESPACE}{}/NCMD/{}", self.group, self.node)
    }
}
