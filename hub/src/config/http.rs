//! `[http]`: where the hub listens and which pages may open its WebSocket.

use std::net::{Ipv4Addr, SocketAddr};

use super::document::Document;

/// The settings of the listener.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSettings {
    /// The address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Origins whose pages may open the WebSocket, beside the hub's own.
    pub allowed_origins: Vec<String>,
}

impl HttpSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let mut section = document.section("http");
        let listen = section.parsed("listen", "127.0.0.1:8080", |text| {
            text.parse::<SocketAddr>().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:8080")
        });
        let allowed_origins: Vec<String> = section.take("allowed_origins", Vec::new());
        for origin in &allowed_origins {
            if !is_origin(origin) {
                section
                    .fault("allowed_origins", format!("{origin:?} is no origin such as https://example.com"));
            }
        }
        let fallback = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self { listen: listen.unwrap_or(fallback), allowed_origins }
    }
}

/// An origin has a scheme, a host, perhaps a port, and nothing more.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']))
}
