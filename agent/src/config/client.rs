//! `[[mqtt_client]]`: a broker that already stands, to which the agent subscribes.

use std::time::Duration;

use super::listener::read_credentials;
use super::section::Section;
use super::tls;
use super::topic_filter::{fault_of, is_shared};
use crate::tls::ClientTls;

const DEFAULT_MQTT_PORT: u16 = 1883;
const DEFAULT_MQTTS_PORT: u16 = 8883;
/// How the address of a broker's TLS port begins.
const SECURE: &str = "mqtts://";

/// The protocol's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MqttVersion {
    /// 3.1.1, which every broker speaks.
    #[default]
    V311,
    /// 5.
    V5,
}

/// A broker to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// The broker's host.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// How the broker is recognised, with `mqtts://`; none connects without TLS.
    pub tls: Option<ClientTls>,
    /// The session's name at the broker; none means `penstock-` and the agent's id. Two clients of one name throw
    /// each other out.
    pub client_id: Option<String>,
    /// Default: 3.1.1.
    pub version: MqttVersion,
    /// User name and password; none connects without.
    pub credentials: Option<(String, String)>,
    /// Topic filters, those of shared subscriptions among them. Default: `#`.
    pub topics: Vec<String>,
    /// Whether to leave the groups of shared subscriptions when the agent stops. Default: false, as the broker then
    /// keeps for the agent what the group gives it meanwhile.
    pub leave_groups: bool,
    /// Quality of service to subscribe with, 0 or 1. Default: 1. Messages published with 2 arrive with 1: every
    /// message is committed before it is acknowledged anyhow, and a handshake of QoS 2 does not outlive a connection.
    pub qos: u8,
    /// Whether to take what the broker kept from before the subscription. Default: false, as its time of arrival
    /// says nothing of when it was measured.
    pub take_retained: bool,
    /// Whether the broker keeps the session while the agent is away, and devices are asked for what is missing. Always,
    /// but for a sample: not a key.
    pub leaves_traces: bool,
    /// A larger message is a dead letter; an MQTT 5 broker is told not to send it. Default: 256 KiB.
    pub max_packet_bytes: u32,
    /// How many messages an MQTT 5 broker may send ahead of their acknowledgement. Default: 100.
    pub max_inflight: u16,
    /// Default: 30 s.
    pub keep_alive: Duration,
    /// The longest pause between attempts to connect. Default: 30 s.
    pub backoff_max: Duration,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: DEFAULT_MQTT_PORT,
            tls: None,
            client_id: None,
            version: MqttVersion::V311,
            credentials: None,
            topics: vec!["#".to_owned()],
            leave_groups: false,
            qos: 1,
            take_retained: false,
            leaves_traces: true,
            max_packet_bytes: 256 * 1024,
            max_inflight: 100,
            keep_alive: Duration::from_secs(30),
            backoff_max: Duration::from_secs(30),
        }
    }
}

pub(super) fn read(section: &mut Section<'_>) -> ClientSettings {
    let default = ClientSettings::default();
    let url = section.text("url", "mqtt://127.0.0.1:1883");
    let address = parse_url(&url);
    if address.is_none() {
        section.fault("url", "must be mqtt://HOST[:PORT], or mqtts://HOST[:PORT] for TLS");
    }
    let is_secure = url.starts_with(SECURE);
    let (host, port) = address.unwrap_or_else(|| (default.host.clone(), default.port));
    let tls = section.table("tls", |section| tls::read_client(section, &host, is_secure));
    let topics = section.texts("topics", &["#"]);
    if topics.is_empty() {
        section.fault("topics", "must hold at least one topic filter");
    }
    topics.iter().filter_map(|filter| fault_of(filter)).for_each(|fault| section.fault("topics", fault));
    let take_retained = section.flag("take_retained", default.take_retained);
    if take_retained && !topics.is_empty() && topics.iter().all(|topic| is_shared(topic)) {
        section.fault("take_retained", "brokers send nothing that they kept to a shared subscription");
    }
    let max_packet = section.bytes("max_packet_bytes", default.max_packet_bytes.into(), 1024..=16 << 20);
    let max_inflight = section.number("max_inflight", default.max_inflight.into(), 1..=10_000);
    let keep_alive = section.number("keep_alive_seconds", default.keep_alive.as_secs(), 5..=3600);
    let backoff_max = section.number("backoff_max_seconds", default.backoff_max.as_secs(), 1..=3600);
    let versions = [("3.1.1", MqttVersion::V311), ("5", MqttVersion::V5)];
    ClientSettings {
        host,
        port,
        tls,
        client_id: section.optional_text("client_id"),
        version: section.choice("version", default.version, &versions),
        credentials: read_credentials(section),
        topics,
        leave_groups: section.flag("leave_groups", default.leave_groups),
        qos: u8::try_from(section.number("qos", default.qos.into(), 0..=1)).unwrap_or(default.qos),
        take_retained,
        leaves_traces: default.leaves_traces,
        max_packet_bytes: u32::try_from(max_packet).unwrap_or(default.max_packet_bytes),
        max_inflight: u16::try_from(max_inflight).unwrap_or(default.max_inflight),
        keep_alive: Duration::from_secs(keep_alive),
        backoff_max: Duration::from_secs(backoff_max),
    }
}

fn parse_url(url: &str) -> Option<(String, u16)> {
    let plain = || url.strip_prefix("mqtt://").or_else(|| url.strip_prefix("tcp://"));
    let (address, default_port) = match url.strip_prefix(SECURE) {
        Some(address) => (address, DEFAULT_MQTTS_PORT),
        None => (plain()?, DEFAULT_MQTT_PORT),
    };
    let address = address.trim_end_matches('/');
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(default_port), str::parse).ok()?;
    let usable = !host.is_empty() && !host.contains(['/', '@', ' ']) && port != 0;
    usable.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_nonsense_is_refused() {
        assert_eq!(parse_url("mqtt://broker"), Some(("broker".to_owned(), 1883)));
        assert_eq!(parse_url("mqtt://[::1]:2883"), Some(("::1".to_owned(), 2883)));
        assert_eq!(parse_url("mqtts://broker/"), Some(("broker".to_owned(), 8883)));
        for url in
            ["broker", "mqtts://", "mqtt://", "mqtt://b:x", "mqtt://b:0", "mqtt://u@b", "mqtt://[::1]x"]
        {
            assert_eq!(parse_url(url), None, "{url}");
        }
    }
}
