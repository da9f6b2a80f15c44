//! `run`: the agent itself.

use std::process::ExitCode;

use penstock_agent::config::Certificates;
use penstock_agent::run;

use super::logging;
use super::settings::{ConfigArgument, with_settings};
use crate::allocator;

/// Runs until SIGTERM or SIGINT; on SIGHUP takes the configuration as it is then, if it can stand.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        allocator::settle();
        with_settings(&self.config, Certificates::Running, |settings| {
            logging::set_up(&settings.log);
            let argument = self.config.clone();
            run::run(settings, Box::new(move || argument.load(Certificates::Running)))?;
            Ok(ExitCode::SUCCESS)
        })
    }
}
