//! `[log]`: what the hub says of itself, on stderr.

use super::document::Document;

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs, one object a line.
    Json,
}

/// The settings of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// A `tracing` filter, such as `info` or `penstock_hub=debug`; `RUST_LOG` overrides it.
    pub level: String,
    /// How a line is written.
    pub format: LogFormat,
}

impl LogSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let mut section = document.section("log");
        let level = section.parsed("level", "info", |text| {
            text.parse::<tracing_subscriber::filter::Targets>()
                .map(|_| text.to_owned())
                .map_err(|_| "must be a level such as info, or a filter such as penstock_hub=debug")
        });
        let format = section.parsed("format", "text", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be \"text\" or \"json\""),
        });
        Self { level: level.unwrap_or_default(), format: format.unwrap_or(LogFormat::Text) }
    }
}
