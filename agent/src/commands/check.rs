//! `check`: what is wrong with the configuration and with what it names.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use penstock_agent::config::{self, Certificates, LogSettings, Settings};
use penstock_agent::{check, sample};

use super::logging;
use super::settings::{ConfigArgument, EXIT_CONFIG, with_settings};

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
        match show_config(&self.config) {
            ExitCode::SUCCESS if self.sample => hear(&self.config, Duration::from_secs(self.seconds)),
            ExitCode::SUCCESS if !self.config_only => look_around(&self.config),
            code => code,
        }
    }
}

fn show_config(argument: &ConfigArgument) -> ExitCode {
    let file = argument.config.as_deref().unwrap_or(Path::new(config::DEFAULT_PATH));
    match argument.load(Certificates::Proven) {
        Ok(settings) => {
            println!("✓ {}", file.display());
            println!("✓ agent {} sends to {}", settings.agent.id, settings.hub.url);
            println!(
                "✓ buffer in {}, quota {} bytes",
                settings.buffer.dir.display(),
                settings.buffer.quota_bytes
            );
            show_mqtt(&settings);
            for serial in &settings.serials {
                println!("✓ serial {} on {}, {} baud", serial.name, serial.port.device, serial.port.baud);
            }
            for bus in &settings.modbus {
                println!("✓ modbus {} on {}, {} slaves", bus.name, bus.bus, bus.slaves.len());
            }
            for command in &settings.commands {
                println!("✓ command {}: {}", command.name, command.run.first().map_or("", String::as_str));
            }
            if settings.device.enabled {
                println!("✓ this machine as {}", settings.device.source);
            }
            if !settings.series.is_empty() {
                println!("✓ {} rules for series", settings.series.len());
            }
            match settings.mappings.len() {
                0 => println!("✓ default mapping: {{source...}}/{{type}}"),
                count => println!("✓ {count} mappings"),
            }
            ExitCode::SUCCESS
        }
        Err(faults) => {
            for line in faults.to_string().lines() {
                println!("✗ {line}");
            }
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn look_around(argument: &ConfigArgument) -> ExitCode {
    with_settings(argument, Certificates::Proven, |settings| {
        let findings = check::run(&settings).context("check")?;
        for finding in &findings {
            println!("{finding}");
        }
        match findings.iter().filter(|finding| !finding.is_good).count() {
            0 => Ok(()),
            count => anyhow::bail!("{count} of {} things are not as they should be", findings.len()),
        }
    })
}

fn hear(argument: &ConfigArgument, duration: Duration) -> ExitCode {
    with_settings(argument, Certificates::Proven, |settings| {
        // What cannot be reached is told as it happens.
        logging::set_up(&LogSettings { level: "warn".to_owned(), ..settings.log.clone() });
        println!("… hearing the sources for {} s", duration.as_secs());
        let report = sample::run(&settings, duration).context("sample")?;
        println!("{}", report.trim_end());
        Ok(())
    })
}

fn show_mqtt(settings: &Settings) {
    let listener = &settings.mqtt_listener;
    if let Some(listen) = listener.listen.filter(|_| listener.enabled) {
        println!("✓ mqtt listener on {listen}");
    }
    if let Some(tls) = listener.tls.as_ref().filter(|_| listener.enabled) {
        println!("✓ mqtt tls listener on {}", tls.listen);
    }
    for client in &settings.mqtt_clients {
        let tls = if client.tls.is_some() { " by tls" } else { "" };
        println!("✓ mqtt client of {}:{}{tls}, topics {}", client.host, client.port, client.topics.join(" "));
    }
}
