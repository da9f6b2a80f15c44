//! Eclipse Sparkplug B: `spBv1.0/{group}/{kind}/{node}[/{device}]`.
//!
//! ```text
//! birth ─▶ Plant: each node's metrics by alias and name ─▶ data ─▶ readings of GROUP/NODE[/DEVICE]
//!                     └─ a gap in the sequence, an unknown alias ─▶ ask for a rebirth
//! ```
//!
//! A metric's name is the type, its property `engUnit` the unit, its timestamp the time. Births and deaths are readings
//! too: `online` of the node or device. Commands and the state of host applications are no readings.

mod metric;
mod plant;
mod topic;
mod wire;

use std::sync::Arc;

use penstock_shared::reading::{TimestampMicros, Value};

use super::findings::Findings;
use super::heard::Heard;
use crate::decode::Ask;
use crate::decode::reason::{Reason, Undecodable};
use crate::decode::samples::Sample;
use metric::{Metric, Payload};
use plant::{Known, Metrics, Plant};
use topic::{Kind, SparkplugTopic};

/// What nodes did so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SparkplugCounts {
    /// Births of nodes and devices.
    pub births: u64,
    /// Deaths of nodes and devices.
    pub deaths: u64,
    /// Messages whose sequence number was not the next.
    pub gaps: u64,
    /// Metrics named by an alias that no birth explained.
    pub unknown_aliases: u64,
    /// How often a node was to be asked for its births; only a client of its broker can ask.
    pub rebirths_wanted: u64,
}

/// Tells whether a topic may be Sparkplug's.
pub(super) fn may_claim(topic: &str) -> bool {
    topic.starts_with(topic::NAMESPACE)
}

/// All nodes that one source hears.
#[derive(Debug, Default)]
pub(super) struct Sparkplug {
    plant: Plant,
    counts: SparkplugCounts,
}

impl Sparkplug {
    pub(super) const fn counts(&self) -> SparkplugCounts {
        self.counts
    }

    pub(super) fn read(&mut self, heard: &Heard<'_>) -> Option<Findings> {
        let topic = SparkplugTopic::parse(heard.topic)?;
        let mut findings = Findings::default();
        if topic.kind == Kind::Other {
            return Some(findings);
        }
        let payload = match Payload::parse(heard.payload) {
            Ok(payload) => payload,
            Err(fault) => return Some(Findings::fault(fault)),
        };
        match topic.kind {
            Kind::NodeDeath => self.node_death(&topic, &payload, &mut findings),
            Kind::DeviceDeath => {
                self.follow(&topic, &payload, heard.arrived_at, &mut findings);
                self.counts.deaths += 1;
                findings.push(&topic.source(), online(false, payload.time), Vec::new());
            }
            Kind::NodeBirth | Kind::DeviceBirth => {
                self.birth(&topic, &payload, heard.arrived_at, &mut findings);
                self.data(&topic, &payload, heard.arrived_at, &mut findings);
            }
            Kind::NodeData | Kind::DeviceData => {
                self.follow(&topic, &payload, heard.arrived_at, &mut findings);
                self.data(&topic, &payload, heard.arrived_at, &mut findings);
            }
            Kind::Other => {}
        }
        Some(findings)
    }

    fn birth(
        &mut self,
        topic: &SparkplugTopic<'_>,
        payload: &Payload<'_>,
        arrived_at: TimestampMicros,
        findings: &mut Findings,
    ) {
        self.counts.births += 1;
        if topic.kind == Kind::NodeBirth {
            self.plant.begin(topic, payload);
        } else {
            self.follow(topic, payload, arrived_at, findings);
        }
        if let Err(fault) = self.plant.learn(topic, payload) {
            findings.set_aside(fault);
        }
        findings.push(&topic.source(), online(true, payload.time), Vec::new());
    }

    /// The will of a node was made when it connected, so its timestamp does not say when it died: the arrival does.
    fn node_death(&mut self, topic: &SparkplugTopic<'_>, payload: &Payload<'_>, findings: &mut Findings) {
        // An old session's will that comes after the new birth.
        if self.plant.is_stale_death(topic, payload) {
            return;
        }
        self.counts.deaths += 1;
        self.plant.end(topic);
        findings.push(&topic.source(), online(false, None), Vec::new());
    }

    /// Checks that nothing was missed between two messages of a node.
    fn follow(
        &mut self,
        topic: &SparkplugTopic<'_>,
        payload: &Payload<'_>,
        arrived_at: TimestampMicros,
        findings: &mut Findings,
    ) {
        if !self.plant.follows(topic, payload.sequence) {
            self.counts.gaps += 1;
            self.ask_for_rebirth(topic, arrived_at, findings);
        }
    }

    fn data(
        &mut self,
        topic: &SparkplugTopic<'_>,
        payload: &Payload<'_>,
        arrived_at: TimestampMicros,
        findings: &mut Findings,
    ) {
        let source = topic.source();
        let metrics = self.plant.metrics(topic);
        let mut unexplained = 0_u64;
        for metric in payload.metrics() {
            if findings.is_full() {
                break;
            }
            let read = metric.and_then(|metric| {
                let known = metrics.and_then(|metrics: &Metrics| metrics.known(&metric));
                if known.is_none() && metric.name.is_none() {
                    unexplained += 1;
                    return Ok(());
                }
                push(findings, &source, &metric, known, payload.time)
            });
            if let Err(fault) = read {
                findings.set_aside(fault);
            }
        }
        if unexplained > 0 {
            self.counts.unknown_aliases += unexplained;
            let detail = format!("{unexplained} metrics have an alias that no birth explained");
            findings.set_aside(Undecodable::new(Reason::UnknownAlias, detail));
            self.ask_for_rebirth(topic, arrived_at, findings);
        }
    }

    fn ask_for_rebirth(
        &mut self,
        topic: &SparkplugTopic<'_>,
        arrived_at: TimestampMicros,
        findings: &mut Findings,
    ) {
        if self.plant.may_ask(topic, arrived_at) {
            self.counts.rebirths_wanted += 1;
            let payload = wire::rebirth_command(u64::try_from(arrived_at.millis()).unwrap_or_default());
            findings.asks.push(Ask { topic: topic.command_topic(), payload });
        }
    }
}

fn push(
    findings: &mut Findings,
    source: &Arc<str>,
    metric: &Metric<'_>,
    known: Option<&Known>,
    payload_time: Option<TimestampMicros>,
) -> Result<(), Undecodable> {
    let Some(name) = metric.name.or_else(|| known.map(|known| known.name.as_ref())) else { return Ok(()) };
    if metric.is_null || is_housekeeping(name) {
        return Ok(());
    }
    let datatype = metric.datatype.or_else(|| known.map(|known| known.datatype)).unwrap_or_default();
    let value = metric.value(datatype, name)?;
    let unit = known.and_then(|known| known.unit.as_deref()).unwrap_or_default();
    let sample = Sample { time: metric.time.or(payload_time), ..Sample::new(name, value) }.with_unit(unit);
    findings.push(source, sample, Vec::new());
    Ok(())
}

/// What the protocol itself needs.
fn is_housekeeping(name: &str) -> bool {
    name == "bdSeq" || name.starts_with("Node Control/") || name.starts_with("Device Control/")
}

fn online(is_online: bool, time: Option<TimestampMicros>) -> Sample {
    Sample { time, ..Sample::new("online", Value::Boolean(is_online)) }
}
