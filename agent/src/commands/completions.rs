//! `completions`: what a shell needs to complete this program's words.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::output;
use super::settings::told;

/// Prints the completions for a shell; for bash they belong into /usr/share/bash-completion/completions/penstock-agent.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which shell.
    shell: Shell,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        let mut command = super::Arguments::command();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "penstock-agent", &mut script);
        told(output::bytes(&script).map(|()| ExitCode::SUCCESS).map_err(Into::into))
    }
}
