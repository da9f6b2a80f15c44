//! The hub's command line.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use penstock_hub::access::{Access, Role, Token, TokenSummary};
use penstock_hub::config::{ConfigError, EXIT_BAD_CONFIGURATION, LogFormat, LogSettings, Settings};
use penstock_hub::ingest::application::APPLICATION_PREFIX;
use penstock_hub::mongod::Visit;
use penstock_hub::run;
use penstock_shared::id::AgentId;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Takes batches from gateways, stores every reading once, rolls up, and pushes live updates.
#[derive(Debug, Parser)]
#[command(name = "penstock-hub", version)]
struct Arguments {
    /// The configuration; /etc/penstock/hub.toml where it exists, else defaults.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the hub.
    Run,
    /// Checks the configuration and reports every fault.
    Check,
    /// Makes and lists the tokens of gateways.
    #[command(subcommand)]
    Agents(AgentsCommand),
    /// Makes and lists the tokens of people and applications.
    #[command(subcommand)]
    Users(UsersCommand),
}

#[derive(Debug, Subcommand)]
enum AgentsCommand {
    /// Makes a token for a gateway and prints it, this once.
    Add {
        /// The gateway's id, as in its agent.toml.
        name: AgentId,
    },
    /// Lists the gateways that have tokens.
    List,
}

#[derive(Debug, Subcommand)]
enum UsersCommand {
    /// Makes a token for a person or an application and prints it, this once.
    Add {
        /// A name to tell the tokens apart.
        name: String,
        /// viewer, writer or admin.
        #[arg(long, default_value = "viewer")]
        role: Role,
    },
    /// Lists the people and applications that have tokens.
    List,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = match Settings::load(arguments.config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => return bad_configuration(&error),
    };
    match run_command(arguments.command, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("penstock-hub: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bad_configuration(error: &ConfigError) -> ExitCode {
    eprintln!("penstock-hub: {error}");
    ExitCode::from(EXIT_BAD_CONFIGURATION)
}

fn run_command(command: Command, settings: Settings) -> anyhow::Result<()> {
    if matches!(command, Command::Check) {
        return print("the configuration has no faults");
    }
    start_log(&settings.log, matches!(command, Command::Run))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Run => Ok(run::run(settings, shutdown_signal()?).await?),
            Command::Check => Ok(()),
            other => with_access(&settings, other).await,
        }
    })
}

/// Commands beside a running hub only show what went wrong.
fn start_log(settings: &LogSettings, is_service: bool) -> anyhow::Result<()> {
    let level = if is_service { settings.level.as_str() } else { "warn" };
    let filter = EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(level))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match settings.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    }
    .map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

fn shutdown_signal() -> anyhow::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        told.cancel();
    });
    Ok(shutdown)
}

async fn with_access(settings: &Settings, command: Command) -> anyhow::Result<()> {
    let visit = match settings.mongodb.uri {
        Some(_) => None,
        None => Some(Visit::begin(&settings.mongodb.managed).await?),
    };
    let uri = visit.as_ref().map(Visit::uri).or(settings.mongodb.uri.as_deref()).unwrap_or_default();
    let outcome = change_tokens(uri, settings, command).await;
    if let Some(visit) = visit {
        visit.end().await;
    }
    outcome
}

async fn change_tokens(uri: &str, settings: &Settings, command: Command) -> anyhow::Result<()> {
    let database = run::connect(uri, &settings.mongodb).await?.database(&settings.mongodb.database);
    let access = Access::open(&database, &settings.access, settings.http.listen).await?;
    match command {
        Command::Agents(AgentsCommand::Add { name }) if name.as_str().starts_with(APPLICATION_PREFIX) => {
            anyhow::bail!("ids that begin with {APPLICATION_PREFIX} are not for agents")
        }
        Command::Agents(AgentsCommand::Add { name }) => print_token(&access.add_agent(&name).await?),
        Command::Agents(AgentsCommand::List) => print_list(&access.list(true).await?),
        Command::Users(UsersCommand::Add { name, role }) => print_token(&access.add_user(&name, role).await?),
        Command::Users(UsersCommand::List) => print_list(&access.list(false).await?),
        Command::Run | Command::Check => Ok(()),
    }
}

fn print_token(token: &Token) -> anyhow::Result<()> {
    eprintln!("this token is shown only once:");
    print(token.reveal())
}

fn print_list(tokens: &[TokenSummary]) -> anyhow::Result<()> {
    for token in tokens {
        let created_at = token.created_at.try_to_rfc3339_string()?;
        print(&format!("{}\t{}\t{created_at}", token.name, token.role.as_deref().unwrap_or("agent")))?;
    }
    Ok(())
}

fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot print")
}
