//! `top`: the agent at work, looked at every second.

mod screen;
mod terminal;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use penstock_agent::config::Certificates;
use penstock_agent::control::{self, Answer, Client, ControlError, Request};
use penstock_agent::status::Status;
use penstock_shared::reading::TimestampMicros;

use super::output;
use super::settings::{ConfigArgument, with_settings};
use screen::History;
use terminal::Terminal;

/// Shows the agent at work, anew every second: rates, sources, buffer, lag, hub. Ends with q. Where stdout is no
/// terminal it prints a line each time.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The time between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// Ends after so many looks.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        with_settings(&self.config, Certificates::Trusted, |settings| {
            let mut agent = Watched { dir: &settings.buffer.dir, client: None };
            // What keeps this user from looking at all is told at once.
            agent.connect()?;
            match Terminal::take()? {
                Some(terminal) => self.draw(&mut agent, &terminal)?,
                None => self.print(&mut agent)?,
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    fn draw(&self, agent: &mut Watched<'_>, terminal: &Terminal) -> anyhow::Result<()> {
        let mut history = History::default();
        for _ in 0..self.count.unwrap_or(u64::MAX) {
            let next = Instant::now() + Duration::from_secs(self.interval);
            let look = agent.look();
            if let Ok(status) = &look {
                history.note(status.clone());
            }
            let fault = look.err().map(|error| format!("{error:#}"));
            terminal.show(&screen::lines(&history, fault.as_deref(), TimestampMicros::now()))?;
            if terminal.quits_before(next)? {
                break;
            }
        }
        Ok(())
    }

    fn print(&self, agent: &mut Watched<'_>) -> anyhow::Result<()> {
        for look in 0..self.count.unwrap_or(u64::MAX) {
            if look > 0 {
                std::thread::sleep(Duration::from_secs(self.interval));
            }
            let now = TimestampMicros::now();
            output::line(&match agent.look() {
                Ok(status) => screen::line(&status, now),
                Err(error) => format!("{} {error:#}", super::tap::moment(now)),
            })?;
        }
        Ok(())
    }
}

/// The agent, which may end and start again meanwhile.
struct Watched<'a> {
    dir: &'a Path,
    client: Option<Client>,
}

impl Watched<'_> {
    fn connect(&mut self) -> Result<(), ControlError> {
        self.client = control::connect(self.dir)?;
        Ok(())
    }

    fn look(&mut self) -> anyhow::Result<Box<Status>> {
        if self.client.is_none() {
            self.connect()?;
        }
        let Some(client) = &mut self.client else { anyhow::bail!("the agent does not run") };
        match client.ask(&Request::Status) {
            Ok(Answer::Status(status)) => Ok(status),
            Ok(other) => anyhow::bail!("the agent answers {other:?}"),
            Err(error) => {
                self.client = None;
                Err(error.into())
            }
        }
    }
}
