//! Which web pages may speak to the hub. Browsers say where a page came from; other programs say nothing.

use std::net::IpAddr;

/// Tells whether a page from `origin` may open a WebSocket or change anything, at a hub that it calls `host`.
///
/// Without an origin the caller is no web page. A page of the hub's own has the same host.
#[must_use]
pub fn is_origin_allowed(origin: Option<&str>, host: Option<&str>, allowed: &[String]) -> bool {
    let Some(origin) = origin else { return true };
    if allowed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    matches!((origin_host, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

/// Tells whether a Host header names this machine itself. A name that an attacker's DNS leads to 127.0.0.1 does not.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_loopback_address = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback_address || name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hubs_own_pages_and_listed_ones_are_allowed() {
        let allowed = ["https://dash.example.com".to_owned()];
        let host = Some("hub.example.com:8080");
        assert!(is_origin_allowed(None, host, &allowed));
        assert!(is_origin_allowed(Some("http://hub.example.com:8080"), host, &allowed));
        assert!(is_origin_allowed(Some("https://dash.example.com"), host, &allowed));
        assert!(!is_origin_allowed(Some("https://evil.example.com"), host, &allowed));
        assert!(!is_origin_allowed(Some("http://hub.example.com"), host, &allowed));
        assert!(!is_origin_allowed(Some("null"), host, &allowed));
    }

    #[test]
    fn a_name_that_only_resolves_to_this_machine_is_not_this_machine() {
        for host in
            ["localhost", "localhost:8080", "127.0.0.1:1", "127.8.0.1", "[::1]:8080", "hub.localhost:1"]
        {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["evil.example.com:8080", "10.0.0.1", "localhost.example.com", "[fe80::1]", ""] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
