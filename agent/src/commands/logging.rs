//! Where the log goes: to stderr, as the configuration says.

use std::io::IsTerminal;

use penstock_agent::config::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// The server library tells of each of its threads; only its warnings concern the operator.
const QUIET_LIBRARIES: &str =
    "ntex_server=warn,ntex_rt=warn,ntex_service=warn,ntex_io=warn,ntex_net=warn,ntex_mqtt=warn";

/// Sets the log up for this process.
pub(super) fn set_up(settings: &LogSettings) {
    let chosen = || EnvFilter::new(format!("{QUIET_LIBRARIES},{}", settings.level));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| chosen());
    let colours = std::io::stderr().is_terminal();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}
