//! `status`: where every reading of this gateway is.

use std::process::ExitCode;

use anyhow::Context;
use penstock_agent::config::Certificates;
use penstock_agent::status;

use super::settings::{ConfigArgument, with_settings};

/// Says where every reading of this gateway is; works while the agent runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Prints the status file itself.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        with_settings(&self.config, Certificates::Trusted, |settings| {
            let dir = &settings.buffer.dir;
            let text =
                status::show(dir, self.json).with_context(|| format!("status of {}", dir.display()))?;
            println!("{}", text.trim_end());
            Ok(())
        })
    }
}
