//! The command line: `penstock-agent run|check|status`.

mod allocator;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use penstock_agent::config::{self, Certificates, LogFormat, LogSettings, Settings};
use penstock_agent::{check, run, sample, status};
use tracing_subscriber::EnvFilter;

/// `EX_CONFIG` of sysexits.h.
const EXIT_CONFIG: u8 = 78;

/// The server library tells of each of its threads; only its warnings concern the operator.
const QUIET_LIBRARIES: &str =
    "ntex_server=warn,ntex_rt=warn,ntex_service=warn,ntex_io=warn,ntex_net=warn,ntex_mqtt=warn";

/// Reads sensors on a gateway, keeps every reading safe on disk, forwards batches to the hub.
#[derive(Debug, Parser)]
#[command(name = "penstock-agent", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs until SIGTERM or SIGINT.
    Run(ConfigArgument),
    /// Says what is wrong with the configuration, all of it at once, and whether what it names is there and answers.
    Check {
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
    },
    /// Says where every reading of this gateway is; works while the agent runs.
    Status {
        #[command(flatten)]
        config: ConfigArgument,
        /// Prints the status file itself.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration file; the default may be absent.
    #[arg(long, value_name = "FILE", help = format!("The configuration file [default: {}]", config::DEFAULT_PATH))]
    config: Option<PathBuf>,
}

impl ConfigArgument {
    fn load(&self, certificates: Certificates) -> Result<Settings, config::ConfigFaults> {
        config::load(self.config.as_deref(), environment(), certificates)
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(argument) => {
            allocator::settle();
            with_settings(&argument, Certificates::Running, |settings| {
                set_up_logging(&settings.log);
                run::run(settings).map_err(Into::into)
            })
        }
        Command::Check { config, sample, config_only, seconds } => {
            let code = show_config(&config);
            match code {
                ExitCode::SUCCESS if sample => hear(&config, Duration::from_secs(seconds)),
                ExitCode::SUCCESS if !config_only => look_around(&config),
                code => code,
            }
        }
        Command::Status { config, json } => with_settings(&config, Certificates::Trusted, |settings| {
            let dir = &settings.buffer.dir;
            let text = status::show(dir, json).with_context(|| format!("status of {}", dir.display()))?;
            println!("{}", text.trim_end());
            Ok(())
        }),
    }
}

fn with_settings(
    argument: &ConfigArgument,
    certificates: Certificates,
    act: impl FnOnce(Settings) -> anyhow::Result<()>,
) -> ExitCode {
    let settings = match argument.load(certificates) {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match act(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("penstock-agent: {error:#}");
            ExitCode::FAILURE
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
        set_up_logging(&LogSettings { level: "warn".to_owned(), ..settings.log.clone() });
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

/// Takes the environment's variables that are text; no key of ours has another.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn set_up_logging(settings: &LogSettings) {
    let chosen = || EnvFilter::new(format!("{QUIET_LIBRARIES},{}", settings.level));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| chosen());
    let colours = std::io::stderr().is_terminal();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}
