//! The composition root: every stage, channel and task of a hub is made here, and ended here in the order of the data.
//!
//! ```text
//! start:  mongod ─▶ store ─▶ access ─▶ ingest ─▶ processor ─▶ live ─▶ api
//! stop:   api and WebSocket clients ─▶ processor ─▶ mongod
//! ```

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mongodb::Client;
use mongodb::options::ClientOptions;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::access::{Access, AccessError};
use crate::api::{self, ApiState, Stages};
use crate::config::{
    IngestSettings, LiveSettings, MongodbSettings, ProcessorSettings, RetentionSettings, Settings,
};
use crate::ingest::{Ingest, IngestLimits, Pending};
use crate::live::{Live, LiveOptions, RenderAgents};
use crate::mongod::{ManagedMongod, MongodError};
use crate::processor::{self, ProcessorOptions};
use crate::rollup::Partition;
use crate::store::{Retention, Store, StoreError};
use crate::telemetry::Telemetry;

/// How long an operation waits for a primary before it fails.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// How often the driver looks at the servers by itself: a mongod that came back must not wait for ten seconds.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How many connections may be in the making at once.
const MAX_CONNECTING: u32 = 8;

/// How long a stage may take to end before it is given up.
const STAGE_STOP_TIMEOUT: Duration = Duration::from_secs(20);

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
    let pending = Arc::new(Pending::default());
    let (closing, is_closing) = watch::channel(false);
    let (stopping, is_stopping) = watch::channel(false);

    let client = connect(uri, &settings.mongodb).await?;
    let store = Store::open(client, &settings.mongodb.database, &retention(&settings.retention)).await?;
    let access = open_access(&store, &settings).await?;
    let listener = bind(settings.http.listen).await?;

    let ingest = Ingest::start(store.clone(), Arc::clone(&pending), ingest_limits(&settings.ingest));
    let processors = start_processors(&settings, &store, &pending, &telemetry, &is_stopping);
    let live = Live::start(
        store.clone(),
        pending,
        Arc::clone(&telemetry),
        live_options(&settings.live),
        render_agents(store.clone()),
        is_closing.clone(),
    );
    let stages = Stages {
        settings: Arc::clone(&settings),
        store,
        access,
        ingest,
        live,
        telemetry: Arc::clone(&telemetry),
        closing: is_closing,
    };
    let router = api::router(ApiState::new(stages));

    announce(&listener)?;
    let door = api::serve::serve(listener, router, settings.limits.clone(), telemetry, shutdown.clone());
    let door = tokio::spawn(door);
    shutdown.cancelled().await;
    closing.send_replace(true);
    join("http", door).await;
    stopping.send_replace(true);
    for processor in processors {
        join("processor", processor).await;
    }
    Ok(())
}

/// Starts the processor of every partition; each works while it holds its partition's lease.
fn start_processors(
    settings: &Settings,
    store: &Store,
    pending: &Arc<Pending>,
    telemetry: &Arc<Telemetry>,
    is_stopping: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let context = processor::Context {
        store: store.clone(),
        pending: Arc::clone(pending),
        telemetry: Arc::clone(telemetry),
        options: processor_options(settings),
    };
    let start = |partition| tokio::spawn(processor::run(context.clone(), partition, is_stopping.clone()));
    Partition::all().into_iter().map(start).collect()
}

/// Waits for a stage to end, and gives it up when it does not.
async fn join(stage: &'static str, mut task: JoinHandle<()>) {
    match tokio::time::timeout(STAGE_STOP_TIMEOUT, &mut task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => error!(stage, %error, "stage failed"),
        Err(_) => {
            error!(stage, "stage does not end, giving it up");
            task.abort();
        }
    }
}

async fn open_access(store: &Store, settings: &Settings) -> Result<Access, RunError> {
    let access = Access::open(store.database(), &settings.access, settings.http.listen).await?;
    let needs = access.check_listen_address(settings.http.listen).await?;
    if !needs.agents || !needs.people {
        let (agents_open, people_open) = (!needs.agents, !needs.people);
        warn!(agents_open, people_open, "open without tokens to every program on this machine");
    }
    Ok(access)
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
    options.heartbeat_freq.get_or_insert(HEARTBEAT_INTERVAL);
    options.write_concern = Some(mongodb::options::WriteConcern::majority());
    Client::with_options(options)
}

fn retention(settings: &RetentionSettings) -> Retention {
    let RetentionSettings { raw, minute: minutes, hour: hours, day: days } = *settings;
    Retention { raw, minutes, hours, days }
}

const fn ingest_limits(settings: &IngestSettings) -> IngestLimits {
    IngestLimits {
        max_pending_readings: settings.max_pending_readings,
        max_lag: settings.max_lag,
        backlog_readings_per_second: settings.backlog_readings_per_second,
    }
}

fn processor_options(settings: &Settings) -> ProcessorOptions {
    let ProcessorSettings { lease, group_readings, ledger_grace } = settings.processor;
    ProcessorOptions { lease, group_readings, ledger_grace, retention: retention(&settings.retention) }
}

const fn live_options(settings: &LiveSettings) -> LiveOptions {
    LiveOptions {
        coalesce: settings.coalesce,
        max_channels: settings.max_subscriptions,
        max_client_message_bytes: settings.max_message_bytes,
        idle_limit: settings.idle,
    }
}

fn render_agents(store: Store) -> RenderAgents {
    Arc::new(move |agent| Box::pin(api::agents::rendered(store.clone(), agent)))
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
