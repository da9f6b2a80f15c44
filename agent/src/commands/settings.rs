//! What the commands share: the configuration that they are given, and how a failure is told.

use std::path::PathBuf;
use std::process::ExitCode;

use penstock_agent::config::{self, Certificates, ConfigFaults, Layers, Settings};
use penstock_agent::control::{self, Door};
use penstock_agent::run;

use super::output;

/// `EX_CONFIG` of sysexits.h.
pub(super) const EXIT_CONFIG: u8 = 78;

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConfigArgument {
    /// The configuration file; the default may be absent.
    #[arg(
        long,
        value_name = "FILE",
        help = format!("The configuration file; drop-ins beside X.toml lie in X.d/ [default: {}]", config::DEFAULT_PATH)
    )]
    pub(super) config: Option<PathBuf>,
}

impl ConfigArgument {
    /// Reads the configuration and its drop-ins, the environment over them.
    pub(super) fn load(&self, certificates: Certificates) -> Result<Settings, ConfigFaults> {
        config::load(self.config.as_deref(), environment(), certificates)
    }

    /// Reads the files only.
    pub(super) fn layers(&self) -> Result<Layers, ConfigFaults> {
        Layers::find(self.config.as_deref())
    }
}

/// Does `act` with the configuration, and says on stderr what failed.
pub(super) fn with_settings(
    argument: &ConfigArgument,
    certificates: Certificates,
    act: impl FnOnce(Settings) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    let settings = match argument.load(certificates) {
        Ok(settings) => settings,
        Err(faults) => {
            output::complain(&faults.to_string());
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    told(act(settings))
}

/// Does `act` with the configuration and a way to the buffer, whether the agent runs or not.
pub(super) fn with_door(
    config: &ConfigArgument,
    act: impl FnOnce(&Settings, &mut Door) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    with_settings(config, Certificates::Trusted, |settings| {
        output::hush_sled();
        let mut door = control::open(run::buffer_settings(&settings))?;
        act(&settings, &mut door)
    })
}

/// Says on stderr what failed, and returns the exit code.
pub(super) fn told(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Takes the environment's variables that are text; no key of ours has another.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
