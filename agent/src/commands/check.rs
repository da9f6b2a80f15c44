//! `check`: what is wrong with the configuration and with what it names.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use penstock_agent::config::{Certificates, Layers, LogSettings, Settings};
use penstock_agent::{check, sample};

use super::settings::{ConfigArgument, EXIT_CONFIG, environment, told};
use super::{logging, output};

/// Says what is wrong with the configuration, all of it at once, and whether what it names is there and answers.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Hears the sources live and tells which series would result, storing nothing.
    #[arg(long)]
    sample: bool,
    /// Looks at the configuration only, and at nothing that it names.
    #[arg(long, conflicts_with = "sample")]
    config_only: bool,
    /// How long the sources are heard.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        let loaded = self.config.layers().and_then(|layers| {
            let settings = layers.settings(environment(), Certificates::Proven)?;
            Ok((layers, settings))
        });
        match loaded {
            Ok((layers, settings)) => told(self.look(&layers, &settings)),
            Err(faults) => {
                let lines: Vec<_> = faults.to_string().lines().map(|line| format!("✗ {line}")).collect();
                match output::line(&lines.join("\n")) {
                    Ok(()) | Err(_) => ExitCode::from(EXIT_CONFIG),
                }
            }
        }
    }

    fn look(&self, layers: &Layers, settings: &Settings) -> anyhow::Result<ExitCode> {
        output::line(&named(layers, settings).join("\n"))?;
        if self.sample {
            return hear(settings, Duration::from_secs(self.seconds));
        }
        if self.config_only { Ok(ExitCode::SUCCESS) } else { look_around(layers, settings) }
    }
}

/// Says what the configuration names, a line each.
fn named(layers: &Layers, settings: &Settings) -> Vec<String> {
    let mut lines: Vec<_> = layers.files().map(|file| format!("✓ {}", file.display())).collect();
    if layers.files().all(|file| file != layers.main()) {
        lines.insert(0, format!("✓ {} is not there: defaults", layers.main().display()));
    }
    lines.extend([
        format!("✓ agent {} sends to {}", settings.agent.id, settings.hub.url),
        format!("✓ buffer in {}, quota {} bytes", settings.buffer.dir.display(), settings.buffer.quota_bytes),
    ]);
    lines.extend(mqtt(settings));
    let serials = settings.serials.iter();
    lines.extend(serials.map(|serial| {
        format!("✓ serial {} on {}, {} baud", serial.name, serial.port.device, serial.port.baud)
    }));
    let buses = settings.modbus.iter();
    lines.extend(
        buses.map(|bus| format!("✓ modbus {} on {}, {} slaves", bus.name, bus.bus, bus.slaves.len())),
    );
    let programs = settings.commands.iter();
    lines.extend(programs.map(|command| {
        format!("✓ command {}: {}", command.name, command.run.first().map_or("", String::as_str))
    }));
    if settings.device.enabled {
        lines.push(format!("✓ this machine as {}", settings.device.source));
    }
    if !settings.series.is_empty() {
        lines.push(format!("✓ {} rules for series", settings.series.len()));
    }
    lines.push(match settings.mappings.len() {
        0 => "✓ default mapping: {source...}/{type}".to_owned(),
        count => format!("✓ {count} mappings"),
    });
    lines
}

fn mqtt(settings: &Settings) -> Vec<String> {
    let listener = &settings.mqtt_listener;
    let mut lines = Vec::new();
    if let Some(listen) = listener.listen.filter(|_| listener.enabled) {
        lines.push(format!("✓ mqtt listener on {listen}"));
    }
    if let Some(tls) = listener.tls.as_ref().filter(|_| listener.enabled) {
        lines.push(format!("✓ mqtt tls listener on {}", tls.listen));
    }
    for client in &settings.mqtt_clients {
        let tls = if client.tls.is_some() { " by tls" } else { "" };
        lines.push(format!(
            "✓ mqtt client of {}:{}{tls}, topics {}",
            client.host,
            client.port,
            client.topics.join(" ")
        ));
    }
    lines
}

fn look_around(layers: &Layers, settings: &Settings) -> anyhow::Result<ExitCode> {
    let findings = check::run(layers, settings).context("check")?;
    for finding in &findings {
        output::line(&finding.to_string())?;
    }
    match findings.iter().filter(|finding| !finding.is_good).count() {
        0 => Ok(ExitCode::SUCCESS),
        count => anyhow::bail!("{count} of {} things are not as they should be", findings.len()),
    }
}

fn hear(settings: &Settings, duration: Duration) -> anyhow::Result<ExitCode> {
    // What cannot be reached is told as it happens.
    logging::set_up(&LogSettings { level: "warn".to_owned(), ..settings.log.clone() });
    output::line(&format!("… hearing the sources for {} s", duration.as_secs()))?;
    let report = sample::run(settings, duration).context("sample")?;
    output::line(report.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
