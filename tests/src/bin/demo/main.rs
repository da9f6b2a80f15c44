//! The whole of Penstock on one machine, with a simulated plant: what `deploy/demo` runs once everything is built.
//!
//! With `--for` it counts at every station of the way and ends with an error when the counts differ.

mod ledger;
mod stations;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use ledger::Ledger;
use stations::Stations;

/// Runs a hub with its own MongoDB, an agent with its MQTT listener, and a plant of simulated devices.
#[derive(Debug, Parser)]
struct Arguments {
    /// Ends by itself after this long, such as 60s or 5m, with a summary.
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    span: Option<Duration>,
    /// Readings a second that the plant publishes.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut stations = Stations::start().await?;
    let plant = stations.plant(arguments.rate);
    let ledger = Ledger::open(&stations).await?;
    stations.introduce();
    let interrupted = wait(arguments.span, &mut stations).await?;
    let totals = plant.stop().await;
    let mut code = ExitCode::SUCCESS;
    if arguments.span.is_some() && !interrupted {
        let counts = ledger.close(&stations, totals).await;
        println!("{counts}");
        if !counts.agree() {
            code = ExitCode::FAILURE;
        }
    }
    drop(ledger);
    stations.stop().await;
    Ok(code)
}

/// Waits for the end of the span, or for Ctrl-C, and tells whether it was the latter.
async fn wait(span: Option<Duration>, stations: &mut Stations) -> anyhow::Result<bool> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let end = async {
        match span {
            Some(span) => tokio::time::sleep(span).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = end => Ok(false),
        _ = terminate.recv() => Ok(true),
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| true).context("waiting for Ctrl-C"),
        fault = stations.first_to_end() => Err(fault),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is no span such as 60s, 5m or 1h"))?;
    match &text[digits.len()..] {
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        "h" => Ok(Duration::from_secs(number * 3600)),
        unit => Err(format!("{unit:?} is no unit: use s, m or h")),
    }
}
