//! `[agent]`, `[hub]` and `[log]`: who this gateway is, whom it reports to, how it talks to its operator.

use std::path::{Path, PathBuf};

use penstock_shared::id::{AgentId, MAX_AGENT_ID_BYTES};

use super::Certificates;
use super::section::Section;

/// Who this gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSettings {
    /// The gateway's name in the fleet. Default: the host name with other characters replaced by `-`.
    pub id: AgentId,
    /// Whether sources are prefixed with `ID/`, which makes them unique across the fleet. Default: true.
    pub prefix_sources: bool,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self { id: host_agent_id(), prefix_sources: true }
    }
}

/// Where readings go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// The hub's base address, without a path's trailing slash. Default: `http://127.0.0.1:8080`.
    pub url: String,
    /// The bearer token; none where the hub needs none.
    pub token: Option<String>,
    /// The file that the token was read from.
    pub token_file: Option<PathBuf>,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self { url: "http://127.0.0.1:8080".to_owned(), token: None, token_file: None }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs, one object a line.
    Json,
}

/// Logging, to stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// A `tracing` filter; the environment's `RUST_LOG` goes before it. Default: `info`.
    pub level: String,
    /// Default: text.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

pub(super) fn read_agent(section: &mut Section<'_>) -> AgentSettings {
    let mut settings = AgentSettings::default();
    if let Some(id) = section.optional_text("id") {
        match AgentId::new(id) {
            Ok(id) => settings.id = id,
            Err(error) => section.fault("id", error.to_string()),
        }
    }
    settings.prefix_sources = section.flag("prefix_sources", settings.prefix_sources);
    settings
}

pub(super) fn read_hub(section: &mut Section<'_>) -> HubSettings {
    let default = HubSettings::default();
    let url = section.text("url", &default.url).trim_end_matches('/').to_owned();
    let address = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if !address.is_some_and(|address| !address.is_empty() && !address.contains(char::is_whitespace)) {
        section.fault("url", "must be http://HOST[:PORT] or https://HOST[:PORT]");
    }
    let token = section.optional_text("token");
    let token_file = section.optional_text("token_file").map(PathBuf::from);
    if token.is_some() && token_file.is_some() {
        section.fault("token_file", "stands beside token; only one of them may be set");
    }
    let token = token.or_else(|| token_from_file(section, token_file.as_deref()?));
    if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        section.fault("token", "must consist of printable ASCII characters without spaces");
    }
    HubSettings { url, token, token_file }
}

fn token_from_file(section: &mut Section<'_>, path: &Path) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text.trim().to_owned()),
        // The operator who only looks at the books need not be the one who may send.
        Err(error)
            if error.kind() == std::io::ErrorKind::PermissionDenied
                && section.certificates() == Certificates::Trusted =>
        {
            None
        }
        Err(error) => {
            section.fault("token_file", format!("cannot be read: {error}"));
            None
        }
    }
}

pub(super) fn read_log(section: &mut Section<'_>) -> LogSettings {
    let default = LogSettings::default();
    let level = section.text("level", &default.level);
    if level.parse::<tracing_subscriber::EnvFilter>().is_err() {
        section.fault(
            "level",
            "must be error, warn, info, debug, trace or a filter such as penstock_agent=debug",
        );
    }
    let words = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    LogSettings { level, format: section.choice("format", default.format, &words) }
}

/// Makes an agent id of the host's name.
fn host_agent_id() -> AgentId {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .unwrap_or_default();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let sanitised: String = name.trim().chars().map(allowed).take(MAX_AGENT_ID_BYTES).collect();
    AgentId::new(sanitised)
        .or_else(|_| AgentId::new("agent"))
        .expect("a constant of allowed characters is an agent id")
}
