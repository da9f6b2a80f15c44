//! The hub's address as an operator types it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

/// `http://HOST[:PORT]` or `https://HOST[:PORT]`, and a path where a proxy wants one; without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubAddress {
    text: String,
    is_overheard: bool,
}

/// Says that a text is no hub's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be http://HOST[:PORT] or https://HOST[:PORT]")]
pub struct InvalidAddress;

impl HubAddress {
    /// Returns the address as it stands in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether secrets travel to it in the clear, beyond this machine.
    #[must_use]
    pub const fn is_overheard(&self) -> bool {
        self.is_overheard
    }
}

impl FromStr for HubAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let url = Url::parse(text).map_err(|_| InvalidAddress)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(InvalidAddress)?;
        let has_more = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if has_more || !matches!(url.scheme(), "http" | "https") || text.contains(char::is_whitespace) {
            return Err(InvalidAddress);
        }
        let is_here = host == "localhost"
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            is_overheard: url.scheme() == "http" && !is_here,
        })
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_hubs_are_taken_and_clear_text_beyond_this_machine_is_known() {
        for (text, stands_as, is_overheard) in [
            ("https://hub.example/", "https://hub.example", false),
            ("https://hub.example:8443/penstock/", "https://hub.example:8443/penstock", false),
            ("http://hub.example:8080", "http://hub.example:8080", true),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", false),
            ("http://[::1]:8080", "http://[::1]:8080", false),
            ("http://localhost", "http://localhost", false),
        ] {
            let address: HubAddress = text.parse().expect("an address");
            assert_eq!((address.as_str(), address.is_overheard()), (stands_as, is_overheard));
        }
        for wrong in [
            "",
            "hub.example",
            "ftp://hub",
            "http://",
            "http://u:p@hub",
            "http://hub?x",
            "http://a b",
            "7QK3",
        ] {
            assert_eq!(wrong.parse::<HubAddress>(), Err(InvalidAddress), "{wrong:?}");
        }
    }
}
