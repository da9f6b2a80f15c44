//! `[[mqtt_client]]`: a broker that already stands, to which the agent subscribes.

use std::time::Duration;

use super::listener::read_credentials;
use super::section::Section;

const DEFAULT_MQTT_PORT: u16 = 1883;

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
    /// The session's name at the broker; none means `penstock-` and the agent's id. Two clients of one name throw
    /// each other out.
    pub client_id: Option<String>,
    /// Default: 3.1.1.
    pub version: MqttVersion,
    /// User name and password; none connects without.
    pub credentials: Option<(String, String)>,
    /// Topic filters. Default: `#`.
    pub topics: Vec<String>,
    /// Quality of service to subscribe with, 0 or 1. Default: 1. Messages published with 2 arrive with 1: every
    /// message is committed before it is acknowledged anyhow, and a handshake of QoS 2 does not outlive a connection.
    pub qos: u8,
    /// Whether to take what the broker kept from before the subscription. Default: false, as its time of arrival
    /// says nothing of when it was measured.
    pub take_retained: bool,
    /// Whether the broker keeps the session while the agent is away. Always, but for a sample: not a key.
    pub keep_session: bool,
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
            client_id: None,
            version: MqttVersion::V311,
            credentials: None,
            topics: vec!["#".to_owned()],
            qos: 1,
            take_retained: false,
            keep_session: true,
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
    let (host, port) = parse_url(&url).unwrap_or_else(|| {
        section.fault("url", "must be mqtt://HOST[:PORT]");
        (default.host.clone(), default.port)
    });
    let topics = section.texts("topics", &["#"]);
    if topics.is_empty() || topics.iter().any(|topic| !is_topic_filter(topic)) {
        section.fault(
            "topics",
            "must hold at least one topic filter, '+' and '#' being whole levels, '#' the last",
        );
    }
    let max_packet = section.bytes("max_packet_bytes", default.max_packet_bytes.into(), 1024..=16 << 20);
    let max_inflight = section.number("max_inflight", default.max_inflight.into(), 1..=10_000);
    let keep_alive = section.number("keep_alive_seconds", default.keep_alive.as_secs(), 5..=3600);
    let backoff_max = section.number("backoff_max_seconds", default.backoff_max.as_secs(), 1..=3600);
    let versions = [("3.1.1", MqttVersion::V311), ("5", MqttVersion::V5)];
    ClientSettings {
        host,
        port,
        client_id: section.optional_text("client_id"),
        version: section.choice("version", default.version, &versions),
        credentials: read_credentials(section),
        topics,
        qos: u8::try_from(section.number("qos", default.qos.into(), 0..=1)).unwrap_or(default.qos),
        take_retained: section.flag("take_retained", default.take_retained),
        keep_session: default.keep_session,
        max_packet_bytes: u32::try_from(max_packet).unwrap_or(default.max_packet_bytes),
        max_inflight: u16::try_from(max_inflight).unwrap_or(default.max_inflight),
        keep_alive: Duration::from_secs(keep_alive),
        backoff_max: Duration::from_secs(backoff_max),
    }
}

fn parse_url(url: &str) -> Option<(String, u16)> {
    let address = url.strip_prefix("mqtt://").or_else(|| url.strip_prefix("tcp://"))?.trim_end_matches('/');
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(DEFAULT_MQTT_PORT), str::parse).ok()?;
    let usable = !host.is_empty() && !host.contains(['/', '@', ' ']) && port != 0;
    usable.then(|| (host.to_owned(), port))
}

fn is_topic_filter(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    !filter.is_empty()
        && filter.len() <= usize::from(u16::MAX)
        && levels.iter().enumerate().all(|(index, level)| match *level {
            "+" => true,
            "#" => index == last,
            other => !other.contains(['+', '#', '\0']),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_nonsense_is_refused() {
        assert_eq!(parse_url("mqtt://broker"), Some(("broker".to_owned(), 1883)));
        assert_eq!(parse_url("mqtt://[::1]:2883"), Some(("::1".to_owned(), 2883)));
        for url in
            ["broker", "mqtts://broker", "mqtt://", "mqtt://b:x", "mqtt://b:0", "mqtt://u@b", "mqtt://[::1]x"]
        {
            assert_eq!(parse_url(url), None, "{url}");
        }
    }

    #[test]
    fn wildcards_stand_for_whole_levels() {
        assert!(["#", "a/+/b", "+/#", "/"].into_iter().all(is_topic_filter));
        assert!(!["", "a#", "#/a", "a/b+"].into_iter().any(is_topic_filter));
    }
}
