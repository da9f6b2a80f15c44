//! The program: reads the command line and hands over to the command.

mod allocator;
mod commands;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    commands::Arguments::parse().act()
}
