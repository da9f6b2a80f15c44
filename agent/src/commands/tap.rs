//! `tap`: the readings as they come in.

use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat};
use penstock_agent::config::Certificates;
use penstock_agent::control::{self, Answer, Request, TapWish};
use penstock_shared::reading::{Reading, TimestampMicros, Value};

use super::output;
use super::settings::{ConfigArgument, with_settings};

/// Shows the readings that come in, decoded, before anything is withheld; until Ctrl-C. The agent must run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Only of these sources; `*` stands for any text.
    #[arg(long, value_name = "PATTERN")]
    source: Option<String>,
    /// Only of these types; `*` stands for any text.
    #[arg(long = "type", value_name = "PATTERN")]
    event_type: Option<String>,
    /// Prints JSON, one reading a line.
    #[arg(long)]
    json: bool,
    /// Ends after so many readings.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        with_settings(&self.config, Certificates::Trusted, |settings| {
            let dir = &settings.buffer.dir;
            let Some(mut agent) = control::connect(dir)? else {
                anyhow::bail!("the agent does not run: there is nothing to hear");
            };
            agent.be_patient()?;
            let wish = TapWish { source: self.source.clone(), event_type: self.event_type.clone() };
            let mut answer = agent.ask(&Request::Tap(wish))?;
            output::note("listening");
            let mut left = self.count.unwrap_or(u64::MAX);
            loop {
                let Answer::Readings { readings, missed } = answer else {
                    anyhow::bail!("the agent answers {answer:?}");
                };
                if missed > 0 {
                    output::note(&format!(
                        "{missed} readings missed, they come faster than they are printed"
                    ));
                }
                let wanted = readings.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let mut lines = Vec::new();
                for reading in &readings[..wanted] {
                    lines.push(if self.json { serde_json::to_string(reading)? } else { text(reading) });
                }
                if wanted > 0 {
                    output::line(&lines.join("\n"))?;
                }
                left -= wanted as u64;
                if left == 0 {
                    return Ok(ExitCode::SUCCESS);
                }
                answer = agent.hear()?;
            }
        })
    }
}

/// Returns a reading as a line for a person.
pub(super) fn text(reading: &Reading) -> String {
    let value = match &reading.value {
        Value::Number(number) => number.to_string(),
        Value::Boolean(state) => state.to_string(),
        Value::Text(text) => format!("{text:?}"),
    };
    format!("{} {} = {value}", moment(reading.time), reading.series)
}

/// Returns a moment as a person reads it.
pub(super) fn moment(time: TimestampMicros) -> String {
    let moment = DateTime::from_timestamp_micros(time.0).filter(|_| time.is_storable());
    // Before the clock is set readings have the uptime as their time.
    moment.map_or_else(
        || "(clock not set)".to_owned(),
        |moment| moment.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}
