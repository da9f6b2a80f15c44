//! `[mqtt_listener]`: the built-in MQTT server.

use std::net::SocketAddr;
use std::time::Duration;

use super::section::Section;
use super::tls;
use crate::tls::ServerTls;

/// The built-in MQTT server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Default: true.
    pub enabled: bool,
    /// Address and port; port 0 takes any free one; none where TLS alone is served. Default: `127.0.0.1:1883`.
    pub listen: Option<SocketAddr>,
    /// A port for TLS. Default: none.
    pub tls: Option<TlsListenerSettings>,
    /// User name and password that every device must give; none lets every device in.
    pub credentials: Option<(String, String)>,
    /// A larger packet closes its connection. Default: 256 KiB.
    pub max_packet_bytes: u32,
    /// More connections are refused. Default: 1,000.
    pub max_connections: usize,
    /// How many messages of a connection may wait for their commit at once. Default: 100.
    pub max_inflight: u16,
    /// Messages a second and connection; faster ones are delayed, not dropped. 0, the default, sets no limit.
    pub max_messages_per_second: u32,
    /// A connection that has not said CONNECT by then is closed. Default: 10 s.
    pub connect_timeout: Duration,
}

/// The built-in MQTT server's TLS port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListenerSettings {
    /// Address and port; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Certificates and keys.
    pub files: ServerTls,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 1883))),
            tls: None,
            credentials: None,
            max_packet_bytes: 256 * 1024,
            max_connections: 1_000,
            max_inflight: 100,
            max_messages_per_second: 0,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

pub(super) fn read(section: &mut Section<'_>) -> ListenerSettings {
    let default = ListenerSettings::default();
    let enabled = section.flag("enabled", default.enabled);
    let listen = tls::read_address(section, "listen", "127.0.0.1:1883");
    let tls = section.table("tls", tls::read_listener);
    if enabled && listen.is_none() && tls.is_none() {
        section.fault("listen", "is empty, and tls has no port either; enabled = false serves none");
    }
    let max_packet = section.bytes("max_packet_bytes", default.max_packet_bytes.into(), 1024..=16 << 20);
    let max_connections = section.number("max_connections", default.max_connections as u64, 1..=20_000);
    let max_inflight = section.number("max_inflight", default.max_inflight.into(), 1..=10_000);
    let max_messages_per_second =
        section.number("max_messages_per_second", default.max_messages_per_second.into(), 0..=1_000_000);
    let connect_timeout_seconds =
        section.number("connect_timeout_seconds", default.connect_timeout.as_secs(), 1..=3600);
    ListenerSettings {
        enabled,
        listen,
        tls,
        credentials: read_credentials(section),
        max_packet_bytes: u32::try_from(max_packet).unwrap_or(default.max_packet_bytes),
        max_connections: usize::try_from(max_connections).unwrap_or(default.max_connections),
        max_inflight: u16::try_from(max_inflight).unwrap_or(default.max_inflight),
        max_messages_per_second: u32::try_from(max_messages_per_second).unwrap_or(0),
        connect_timeout: Duration::from_secs(connect_timeout_seconds),
    }
}

/// Reads `username` and `password`, which go together.
pub(super) fn read_credentials(section: &mut Section<'_>) -> Option<(String, String)> {
    match (section.optional_text("username"), section.optional_text("password")) {
        (Some(username), Some(password)) => Some((username, password)),
        (None, None) => None,
        (Some(_), None) => {
            section.fault("username", "needs a password beside it");
            None
        }
        (None, Some(_)) => {
            section.fault("password", "needs a username beside it");
            None
        }
    }
}
