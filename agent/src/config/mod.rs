//! What the operator wrote, checked: from TOML and environment to settings that the rest of the agent can trust.
//!
//! ```text
//! agent.toml, agent.d/*.toml ─▶ layers ─▶ tree (with lines) ─▶ section reader, one file a stage ─▶ Settings
//! PENSTOCK_AGENT__BUFFER__DIR=… ────────┘                                     └─▶ faults, all of them at once
//! ```
//!
//! Every default stands in the `Default` of its settings. This module must not open sockets or buffers.

mod agent;
mod buffer;
mod client;
mod clock;
mod command;
mod decode;
mod device;
mod faults;
mod forward;
mod layers;
mod listener;
mod mapping;
pub mod modbus;
mod pattern;
mod pointer;
mod quantity;
mod section;
pub mod serial;
mod series;
mod template;
mod tls;
mod topic_filter;
mod tree;

use std::path::Path;

pub use agent::{AgentSettings, HubSettings, LogFormat, LogSettings};
pub use buffer::{BufferSettings, QuotaPolicy};
pub use client::{ClientSettings, MqttVersion};
pub use command::CommandSettings;
pub use decode::{DecodeSettings, Dialect};
pub use device::{DeviceSettings, SensorClass};
pub use faults::{ConfigFaults, Fault};
pub use forward::ForwardSettings;
pub use layers::Layers;
pub use listener::{ListenerSettings, TlsListenerSettings};
pub use mapping::{MappingSettings, PayloadFormat, TimeUnit};
pub use modbus::ModbusSettings;
pub use pattern::Pattern;
pub use pointer::{InvalidPointer, JsonPointer};
pub use serial::SerialSettings;
pub use series::{ExceptionSettings, LimitSettings, SeriesSettings};
pub use template::{Captures, InvalidTemplate, Template, TopicTemplate};
pub(crate) use topic_filter::{is_shared, unshared};

use crate::clock::ClockSettings;
use faults::FaultLog;
use section::Section;

/// Where the configuration is looked for when the command line names no file.
pub const DEFAULT_PATH: &str = "/etc/penstock/agent.toml";

/// How the names of overriding environment variables begin; levels are separated by two underscores.
pub const ENVIRONMENT_PREFIX: &str = "PENSTOCK_AGENT__";

/// The agent's whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Who this gateway is.
    pub agent: AgentSettings,
    /// Where readings go.
    pub hub: HubSettings,
    /// The disk buffer.
    pub buffer: BufferSettings,
    /// How the buffer is emptied.
    pub forward: ForwardSettings,
    /// The built-in MQTT server.
    pub mqtt_listener: ListenerSettings,
    /// Brokers to subscribe to.
    pub mqtt_clients: Vec<ClientSettings>,
    /// Instruments on serial lines.
    pub serials: Vec<SerialSettings>,
    /// Modbus buses.
    pub modbus: Vec<ModbusSettings>,
    /// Programs that print readings.
    pub commands: Vec<CommandSettings>,
    /// What is understood without a mapping.
    pub decode: DecodeSettings,
    /// This machine's own sensors.
    pub device: DeviceSettings,
    /// How topics and payloads become readings; the first that matches wins, none means the default mapping.
    pub mappings: Vec<MappingSettings>,
    /// What is done with readings before they are kept; the first that matches wins, none keeps them as they are.
    pub series: Vec<SeriesSettings>,
    /// Limits over all series.
    pub limits: LimitSettings,
    /// When this machine's clock counts as set.
    pub clock: ClockSettings,
    /// Logging.
    pub log: LogSettings,
}

/// Whether certificates and keys are looked into, besides their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// They are read, and must be good.
    Proven,
    /// They are read, and must be good but for their dates: one that has expired must not keep other sources from
    /// running.
    Running,
    /// They are somebody else's matter: a certificate that expired is no reason not to show the books.
    Trusted,
}

/// Reads the file, its drop-ins and the environment.
///
/// Without a `path`, [`DEFAULT_PATH`] is read, and when that does not exist the defaults stand.
///
/// # Errors
/// With every fault found, when there is one.
pub fn load(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    certificates: Certificates,
) -> Result<Settings, ConfigFaults> {
    Layers::find(path)?.settings(environment, certificates)
}

/// Reads a configuration from text; `file` only names it in faults.
///
/// # Errors
/// With every fault found, when there is one.
pub fn parse(
    file: &Path,
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, ConfigFaults> {
    Layers::of_text(file, text).settings(environment, Certificates::Proven)
}

fn read_tree(root: tree::Node, log: &mut FaultLog) -> Settings {
    let mut top = Section::top(root, log);
    let settings = Settings {
        agent: top.table("agent", agent::read_agent),
        hub: top.table("hub", agent::read_hub),
        buffer: top.table("buffer", buffer::read),
        forward: top.table("forward", forward::read),
        mqtt_listener: top.table("mqtt_listener", listener::read),
        mqtt_clients: top.tables("mqtt_client", client::read),
        serials: top.tables("serial", serial::read),
        modbus: top.tables("modbus", modbus::read),
        commands: top.tables("command", command::read),
        decode: top.table("decode", decode::read),
        device: top.table("device", device::read),
        mappings: top.tables("mapping", mapping::read),
        series: top.tables("series", series::read),
        limits: top.table("limits", series::read_limits),
        clock: top.table("clock", clock::read),
        log: top.table("log", agent::read_log),
    };
    top.refuse_unknown();
    settings
}

#[cfg(test)]
mod tests;
