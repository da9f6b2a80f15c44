//! `buffer`: what lies on the gateway's disk, whether it is whole, and the ways out of it and back in.

mod export;
mod look;
mod replay;

use std::process::ExitCode;

use chrono::DateTime;
use clap::Subcommand;
use penstock_agent::buffer::{Quarantined, SegmentSummary};
use penstock_agent::control::{Answer, Door, Request};
use penstock_shared::reading::TimestampMicros;

use super::settings::{ConfigArgument, with_door};

/// Looks into the buffer, exports it, and sends exports again; while the agent runs or not. Without the agent the buffer
/// is opened first, which heals what a crash left and sets aside what is damaged, as the agent's start would.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the segments, and those that were set aside.
    Ls {
        #[command(flatten)]
        config: ConfigArgument,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Reads every entry and its checksum. Exit code 1 when one does not read back, with where.
    Verify {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Prints the readings that wait for the hub, as JSON, one a line.
    Export(export::Arguments),
    /// Takes the readings of an export in once more, each of its batches exactly once whatever happens meanwhile. Exit
    /// code 1 when all of it was taken in before.
    Replay(replay::Arguments),
    /// Opens the buffer, which repairs it, and says what was found. Not while the agent runs.
    Repair {
        #[command(flatten)]
        config: ConfigArgument,
    },
}

/// Where readings are taken from.
#[derive(Debug, clap::Args)]
struct Span {
    /// Only readings from this moment on, as 2026-11-26T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<TimestampMicros>,
    /// Only readings before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<TimestampMicros>,
}

impl Span {
    fn holds(&self, time: TimestampMicros) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        match self.action {
            Action::Ls { config, json } => with_door(&config, |_, door| look::list(door, json)),
            Action::Verify { config } => with_door(&config, |_, door| look::verify(door)),
            Action::Export(arguments) => arguments.act(),
            Action::Replay(arguments) => arguments.act(),
            Action::Repair { config } => with_door(&config, |_, door| look::repair(door)),
        }
    }
}

fn moment(text: &str) -> Result<TimestampMicros, String> {
    let moment = DateTime::parse_from_rfc3339(text).map_err(|error| error.to_string())?;
    Ok(TimestampMicros(moment.timestamp_micros()))
}

struct Held {
    segments: Vec<SegmentSummary>,
    quarantined: Vec<Quarantined>,
    faults: Vec<String>,
}

fn held(door: &mut Door) -> anyhow::Result<Held> {
    match door.ask(Request::Segments)? {
        Answer::Segments { segments, quarantined, faults } => Ok(Held { segments, quarantined, faults }),
        other => anyhow::bail!("the agent answers {other:?}"),
    }
}
