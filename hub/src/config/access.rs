//! `[access]`: who needs a token.

use std::time::Duration;

use super::document::Document;

/// When callers need a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequireTokens {
    /// Agents need one as soon as an agent's token exists, people as soon as a user's token exists. While none
    /// exists, the hub listens on the loopback interface only.
    Auto,
    /// Everybody, always.
    Always,
}

/// The settings of the door.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessSettings {
    /// When callers need a token.
    pub require_tokens: RequireTokens,
    /// How long a dashboard's session lasts.
    pub session: Duration,
    /// How long a token that was looked up is believed without looking again.
    pub cache: Duration,
}

impl AccessSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let mut section = document.section("access");
        let require_tokens = section.parsed("require_tokens", "auto", |text| match text {
            "auto" => Ok(RequireTokens::Auto),
            "always" => Ok(RequireTokens::Always),
            _ => Err("must be \"auto\" or \"always\""),
        });
        let session_hours = section.number("session_hours", 168, 1..=8_760_u64);
        Self {
            require_tokens: require_tokens.unwrap_or(RequireTokens::Always),
            session: Duration::from_secs(session_hours * 3600),
            cache: section.seconds("cache_seconds", 5, 1..=300),
        }
    }
}
