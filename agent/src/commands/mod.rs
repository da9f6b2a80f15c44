//! The command line: one file a command, each with its arguments and what it does; `main` only dispatches.
//!
//! Exit codes: 0 all is well; 1 something is wrong, or could not be done; 2 the command line itself; 78 the
//! configuration.

mod buffer;
mod check;
mod completions;
mod dead_letters;
mod join;
mod logging;
mod man;
mod output;
mod run;
mod settings;
mod status;
mod tap;
mod top;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Reads sensors on a gateway, keeps every reading safe on disk, forwards batches to the hub.
#[derive(Debug, Parser)]
#[command(name = "penstock-agent", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Join(join::Arguments),
    Status(status::Arguments),
    Top(top::Arguments),
    Tap(tap::Arguments),
    DeadLetters(dead_letters::Arguments),
    Buffer(buffer::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

impl Arguments {
    /// Does what the command line says.
    pub(crate) fn act(self) -> ExitCode {
        match self.command {
            Command::Run(arguments) => arguments.act(),
            Command::Check(arguments) => arguments.act(),
            Command::Join(arguments) => arguments.act(),
            Command::Status(arguments) => arguments.act(),
            Command::Top(arguments) => arguments.act(),
            Command::Tap(arguments) => arguments.act(),
            Command::DeadLetters(arguments) => arguments.act(),
            Command::Buffer(arguments) => arguments.act(),
            Command::Completions(arguments) => arguments.act(),
            Command::Man(arguments) => arguments.act(),
        }
    }
}
