//! The hub's command line.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use mongodb::bson::DateTime;
use penstock_hub::access::{Access, InvitationSummary, Revoke, Role, Token, TokenKind, TokenSummary};
use penstock_hub::config::{ConfigError, EXIT_BAD_CONFIGURATION, LogFormat, LogSettings, Settings};
use penstock_hub::ingest::application::APPLICATION_PREFIX;
use penstock_hub::mongod::Visit;
use penstock_hub::run;
use penstock_shared::id::AgentId;
use penstock_shared::join::JoinCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A code is no token that lies about for years.
const LONGEST_VALIDITY_SECONDS: u64 = 30 * 86_400;

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
    /// Makes and lists the tokens of gateways, and invites gateways.
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
    /// Invites a gateway: prints a code, this once, with which `penstock-agent join` fetches a token.
    Invite {
        /// The gateway's id from then on. An older invitation for it ends.
        name: AgentId,
        /// How long the code can be used: 30m, 1h, 2d; at most 30 days.
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_validity)]
        valid_for: Duration,
        /// The hub's address as gateways see it, for the line that is printed.
        #[arg(long)]
        url: Option<String>,
    },
    /// Takes an invitation back.
    Uninvite {
        /// The gateway that was invited.
        name: AgentId,
    },
    /// Ends a gateway's tokens, and an invitation that stands for it: for one that was stolen or is gone. A running hub
    /// refuses them within `access.cache_seconds`.
    Revoke {
        /// The gateway.
        name: AgentId,
        /// Leaves the token that was made last: after a gateway has joined anew and runs with its new one.
        #[arg(long)]
        former: bool,
    },
    /// Lists the gateways that have tokens, and those that are invited.
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
    /// Ends somebody's tokens and sessions. A running hub refuses them, and closes their dashboards, within
    /// `access.cache_seconds`.
    Revoke {
        /// The name that the tokens were made for.
        name: String,
        /// Leaves the token that was made last.
        #[arg(long)]
        former: bool,
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
        Command::Agents(AgentsCommand::Add { name } | AgentsCommand::Invite { name, .. })
            if name.as_str().starts_with(APPLICATION_PREFIX) =>
        {
            anyhow::bail!("ids that begin with {APPLICATION_PREFIX} are not for agents")
        }
        Command::Agents(AgentsCommand::Add { name }) => print_token(&access.add_agent(&name).await?),
        Command::Agents(AgentsCommand::Invite { name, valid_for, url }) => {
            let (code, ends) = access.invite(&name, valid_for).await?;
            print_invitation(&code, ends, url.or_else(|| url_seen_from_afar(settings.http.listen)).as_deref())
        }
        Command::Agents(AgentsCommand::Uninvite { name }) => {
            let was_there = access.withdraw_invitation(&name).await?;
            anyhow::ensure!(was_there, "{name} is not invited, or has joined");
            Ok(())
        }
        Command::Agents(AgentsCommand::Revoke { name, former }) => {
            print_revoked(name.as_str(), former, access.revoke_agent(&name, which(former)).await?)
        }
        Command::Agents(AgentsCommand::List) => {
            print_list(&access.list(TokenKind::Agent).await?)?;
            for InvitationSummary { name, expires_at } in access.invitations().await? {
                print(&format!("{name}\tinvited\tuntil {}", expires_at.try_to_rfc3339_string()?))?;
            }
            Ok(())
        }
        Command::Users(UsersCommand::Add { name, role }) => print_token(&access.add_user(&name, role).await?),
        Command::Users(UsersCommand::Revoke { name, former }) => {
            print_revoked(&name, former, access.revoke_user(&name, which(former)).await?)
        }
        Command::Users(UsersCommand::List) => print_list(&access.list(TokenKind::User).await?),
        Command::Run | Command::Check => Ok(()),
    }
}

fn print_token(token: &Token) -> anyhow::Result<()> {
    eprintln!("this token is shown only once:");
    print(token.reveal())
}

const fn which(former: bool) -> Revoke {
    if former { Revoke::AllButNewest } else { Revoke::All }
}

fn print_revoked(name: &str, former: bool, revoked: u64) -> anyhow::Result<()> {
    // A name that was mistyped must not look revoked; that there is nothing former is no fault.
    anyhow::ensure!(former || revoked > 0, "{name} has no token that could be revoked");
    eprintln!("revoked {revoked} of {name}");
    Ok(())
}

/// Prints the code to standard output alone: standard error may go to a log.
fn print_invitation(code: &JoinCode, ends: DateTime, url: Option<&str>) -> anyhow::Result<()> {
    let ends = ends.try_to_rfc3339_string()?;
    eprintln!("this code is shown only once, and good for one gateway until {ends}; there, type:");
    eprintln!("  sudo penstock-agent join {} CODE", url.unwrap_or("URL"));
    if url.is_none() {
        eprintln!(
            "where URL is this hub as gateways see it: it listens on the loopback interface only (`--url`)"
        );
    }
    print(&code.to_string())
}

/// Guesses what gateways call this hub; behind a proxy or in a container it is something else.
fn url_seen_from_afar(listen: SocketAddr) -> Option<String> {
    if listen.ip().is_loopback() || listen.port() == 0 {
        return None;
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        host if listen.ip().is_unspecified() && !host.is_empty() => {
            Some(format!("http://{host}:{}", listen.port()))
        }
        _ => Some(format!("http://{listen}")),
    }
}

/// Reads a number with one of the units s, m, h and d.
fn parse_validity(text: &str) -> Result<Duration, String> {
    let seconds = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(seconds));
    seconds
        .filter(|seconds| (1..=LONGEST_VALIDITY_SECONDS).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| "must be a time such as 30m, 1h or 2d, at most 30d".to_owned())
}

fn print_list(tokens: &[TokenSummary]) -> anyhow::Result<()> {
    for token in tokens {
        let created_at = token.created_at.try_to_rfc3339_string()?;
        let role = token.role.as_deref().unwrap_or("agent");
        let revoked_at = token.revoked_at.map(DateTime::try_to_rfc3339_string).transpose()?;
        let revoked = revoked_at.map(|at| format!("\trevoked {at}")).unwrap_or_default();
        print(&format!("{}\t{role}\t{created_at}{revoked}", token.name))?;
    }
    Ok(())
}

fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot print")
}
