//! The composition root: every stage, channel and task of a hub is made here, and ended here in the order of the data.
//!
//! ```text
//! mongod ─▶ database ─▶ access ─▶ [stages] ─▶ api ─▶ listener
//! ```

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use mongodb::options::ClientOptions;
use mongodb::Client;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::access::{Access, AccessError};
use crate::api::{self, ApiState};
use crate::config::{IngestSettings, MongodbSettings, RetentionSettings, Settings};
use crate::ingest::{Ingest, IngestLimits, Pending};
use crate::mongod::{ManagedMongod, MongodError};
use crate::store::{Retention, Store, StoreError};
use crate::telemetry::Telemetry;

/// How long an operation waits for a primary before it fails.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// How many connections may be in the making at once.
const MAX_CONNECTING: u32 = 8;

/// Says why a hub could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The managed mongod did not start.
    #[error(transparent)]
    Mongod(#[from] MongodError),
    /// The database refuses.
    #[error("cannot use the database: {0}")]
    Database(#[from] mongodb::error::Error),
    /// The collections cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tokens cannot be read, or the hub would be open to the world.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The line that says where the hub listens cannot be printed.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

/// Runs a hub until `shutdown`.
///
/// # Errors
/// When a part of it cannot start.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<(), RunError> {
    let mongod = match &settings.mongodb.uri {
        Some(_) => None,
        None => Some(ManagedMongod::start(&settings.mongodb.managed).await?),
    };
    let uri = mongod.as_ref().map(|mongod| mongod.uri().to_owned()).or_else(|| settings.mongodb.uri.clone());
    let outcome = run_on(settings, &uri.unwrap_or_default(), shutdown).await;
    if let Some(mongod) = mongod {
        mongod.stop().await;
    }
    outcome
}

/// Runs everything but mongod, which starts first and ends last.
async fn run_on(settings: Settings, uri: &str, shutdown: CancellationToken) -> Result<(), RunError> {
    let settings = Arc::new(settings);
    let telemetry = Arc::new(Telemetry::default());
    let client = connect(uri, &settings.mongodb).await?;
    let store = Store::open(client, &settings.mongodb.database, &retention(&settings.retention)).await?;
    let listen = settings.http.listen;
    let access = Arc::new(Access::open(store.database(), &settings.access, listen).await?);
    let needs = access.check_listen_address(listen).await?;
    if !needs.agents || !needs.people {
        let (agents_open, people_open) = (!needs.agents, !needs.people);
        warn!(agents_open, people_open, "open without tokens to every program on this machine");
    }

    let pending = Arc::new(Pending::default());
    let ingest = Arc::new(Ingest::start(store.clone(), pending, ingest_limits(&settings.ingest)));
    let stages = Router::new();

    let state = ApiState::new(Arc::clone(&settings), store, ingest, access, Arc::clone(&telemetry));
    let router = api::router(state, stages);
    let listener = bind(listen).await?;
    announce(&listener)?;
    api::serve::serve(listener, router, settings.limits.clone(), telemetry, shutdown).await;
    info!("no more requests");
    Ok(())
}

/// Connects to a replica set. Writes wait for a majority: they cost less than the journal's interval, and what a
/// majority has survives a failover.
///
/// # Errors
/// When the URI is wrong.
pub async fn connect(uri: &str, settings: &MongodbSettings) -> Result<Client, mongodb::error::Error> {
    let mut options = ClientOptions::parse(uri).await?;
    options.app_name = Some("penstock-hub".to_owned());
    options.max_pool_size = Some(settings.max_pool_size);
    options.max_connecting = Some(MAX_CONNECTING);
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION_TIMEOUT);
    options.write_concern = Some(mongodb::options::WriteConcern::majority());
    Client::with_options(options)
}

fn retention(settings: &RetentionSettings) -> Retention {
    let RetentionSettings { raw, minute: minutes, hour: hours, day: days } = *settings;
    Retention { raw, minutes, hours, days }
}

const fn ingest_limits(settings: &IngestSettings) -> IngestLimits {
    IngestLimits { max_pending_readings: settings.max_pending_readings, max_lag: settings.max_lag }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })
}

/// Prints the line that people and test programs wait for.
fn announce(listener: &TcpListener) -> Result<(), RunError> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "penstock-hub listening on http://{}", listener.local_addr()?)?;
    stdout.flush()?;
    Ok(())
}
