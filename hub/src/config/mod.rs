//! What the operator can set, and nothing else: a TOML file, overridden by the environment, checked as a whole.
//!
//! Every stage has its section in a file of its own, where its keys, defaults and ranges stand together. All faults
//! of a configuration are reported at once. The other stages see [`Settings`], never TOML.

mod access;
mod dashboard;
mod document;
mod faults;
mod http;
mod ingest;
mod limits;
mod live;
mod log;
mod mongodb;
mod processor;
mod retention;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use access::{AccessSettings, RequireTokens};
pub use dashboard::DashboardSettings;
pub use faults::{Fault, Faults};
pub use http::HttpSettings;
pub use ingest::IngestSettings;
pub use limits::LimitSettings;
pub use live::LiveSettings;
pub use log::{LogFormat, LogSettings};
pub use mongodb::{ManagedSettings, MongodbSettings};
pub use processor::ProcessorSettings;
pub use retention::RetentionSettings;

use document::Document;

/// Where the configuration stands when the command line does not say.
pub const DEFAULT_PATH: &str = "/etc/penstock/hub.toml";
/// The exit code for a bad configuration (`EX_CONFIG` of sysexits.h).
pub const EXIT_BAD_CONFIGURATION: u8 = 78;
/// What the environment variables that override keys begin with.
const ENVIRONMENT_PREFIX: &str = "PENSTOCK_HUB__";

/// The validated configuration of one hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where the hub listens.
    pub http: HttpSettings,
    /// Where the readings are kept.
    pub mongodb: MongodbSettings,
    /// What is taken from agents and applications.
    pub ingest: IngestSettings,
    /// How the ledger becomes readings and rollups.
    pub processor: ProcessorSettings,
    /// How long everything is kept.
    pub retention: RetentionSettings,
    /// How updates reach browsers.
    pub live: LiveSettings,
    /// Who may do what.
    pub access: AccessSettings,
    /// What one caller may take.
    pub limits: LimitSettings,
    /// What the dashboard shows beside the data.
    pub dashboard: DashboardSettings,
    /// What the hub says of itself.
    pub log: LogSettings,
}

/// Says why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that the command line names cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The configuration was read and has faults.
    #[error("the configuration has faults:\n{0}")]
    Invalid(Faults),
}

impl Settings {
    /// Reads the file, applies the overrides of the environment, and validates.
    ///
    /// Without a `path` the default one is read where it exists; where it does not, defaults hold.
    ///
    /// # Errors
    /// When the file cannot be read, or with every fault that it has.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if path.is_none() && error.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ConfigError::Unreadable { path: file.to_owned(), source }),
        };
        Self::parse(&file.display().to_string(), &text, std::env::vars_os()).map_err(ConfigError::Invalid)
    }

    /// Validates a configuration that was read from `file`, with `environment` on top.
    ///
    /// # Errors
    /// With every fault that it has.
    pub fn parse(
        file: &str,
        text: &str,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Faults> {
        let mut document = Document::parse(file, text, ENVIRONMENT_PREFIX, environment)?;
        let settings = Self::read(&mut document);
        let faults = document.finish();
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    fn read(document: &mut Document) -> Self {
        Self {
            http: HttpSettings::read(document),
            mongodb: MongodbSettings::read(document),
            ingest: IngestSettings::read(document),
            processor: ProcessorSettings::read(document),
            retention: RetentionSettings::read(document),
            live: LiveSettings::read(document),
            access: AccessSettings::read(document),
            limits: LimitSettings::read(document),
            dashboard: DashboardSettings::read(document),
            log: LogSettings::read(document),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::read(&mut Document::empty())
    }
}

#[cfg(test)]
mod tests;
