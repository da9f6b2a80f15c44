//! `status`: where every reading of this gateway is, and what is wrong.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use penstock_agent::config::Certificates;
use penstock_agent::control::{self, Answer, ControlError, Request};
use penstock_agent::status::{self, Status, StatusError};
use penstock_shared::reading::TimestampMicros;

use super::output;
use super::settings::{ConfigArgument, with_settings};

/// Says what is wrong and where every reading of this gateway is: now, or as the agent left it. Exit code 1 when
/// anything is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Prints everything as JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        with_settings(&self.config, Certificates::Trusted, |settings| {
            let dir = &settings.buffer.dir;
            let status = now(dir).with_context(|| format!("status of {}", dir.display()))?;
            let time = TimestampMicros::now();
            let text = match self.json {
                true => serde_json::to_string_pretty(&status)?,
                false => status::render(&status, time),
            };
            output::line(text.trim_end())?;
            Ok(if status::wrongs(&status, time).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        })
    }
}

/// Asks the agent that runs, or reads what it left: also where this user may look, and not ask.
fn now(dir: &Path) -> anyhow::Result<Status> {
    match control::connect(dir) {
        Ok(Some(mut agent)) => match agent.ask(&Request::Status)? {
            Answer::Status(status) => Ok(*status),
            other => anyhow::bail!("the agent answers {other:?}"),
        },
        Ok(None) => Ok(left(dir)?),
        Err(refusal @ ControlError::NotAllowed { .. }) => left(dir).map_err(|_| refusal.into()),
        Err(error) => Err(error.into()),
    }
}

fn left(dir: &Path) -> Result<Status, StatusError> {
    let running = control::is_in_use(dir).unwrap_or(true);
    Ok(Status { running, ..status::read(dir)? })
}
