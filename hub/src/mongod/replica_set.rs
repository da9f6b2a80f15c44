//! A replica set of one: transactions and change streams need a replica set.

use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, ServerAddress};
use tokio::time::Instant;
use tracing::info;

use super::MongodError;
use super::data_dir::DataDir;
use super::process::Process;

/// The replica set's name.
pub(super) const NAME: &str = "penstock";
/// How often a mongod that starts is asked whether it is primary.
const ASK_INTERVAL: Duration = Duration::from_millis(50);
/// How long one question may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// MongoDB's code for a member that was never initiated.
const NOT_YET_INITIALIZED: i32 = 94;
/// MongoDB's code for a member that somebody else initiated just now.
const ALREADY_INITIALIZED: i32 = 23;

/// Initiates the replica set where it is new, tells it its port where that changed, and waits until it is primary.
pub(super) async fn make_primary(
    port: u16,
    process: &mut Process,
    data_dir: &DataDir,
    patience: Duration,
) -> Result<(), MongodError> {
    let client = direct_client(port)?;
    let deadline = Instant::now() + patience;
    loop {
        let failure = match step(&client, port).await {
            Ok(true) => return Ok(()),
            Ok(false) => None,
            // It is starting up, or dropped its connections because its state changed.
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            return Err(failure.map_or(MongodError::NotReady(patience), MongodError::Command));
        }
        if let Ok(status) = tokio::time::timeout(ASK_INTERVAL, process.ended()).await {
            return Err(MongodError::Ended { status, log: data_dir.log_tail() });
        }
    }
}

/// Brings the replica set one step nearer to having a primary; tells whether it has one.
async fn step(client: &Client, port: u16) -> Result<bool, Error> {
    let is_primary = hello(client).await?.get_bool("isWritablePrimary").unwrap_or(false);
    if !is_primary {
        configure(client, port).await?;
    }
    Ok(is_primary)
}

/// Asks mongod to reopen its log, which was moved away.
pub(super) async fn reopen_log(port: u16) -> Result<(), MongodError> {
    admin(&direct_client(port)?, doc! { "logRotate": "server" }).await?;
    Ok(())
}

fn direct_client(port: u16) -> Result<Client, MongodError> {
    let options = ClientOptions::builder()
        .hosts(vec![ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(port) }])
        .direct_connection(true)
        .server_selection_timeout(ASK_TIMEOUT)
        .connect_timeout(ASK_TIMEOUT)
        .build();
    Ok(Client::with_options(options)?)
}

async fn hello(client: &Client) -> Result<Document, Error> {
    admin(client, doc! { "hello": 1 }).await
}

async fn admin(client: &Client, command: Document) -> Result<Document, Error> {
    client.database("admin").run_command(command).await
}

async fn configure(client: &Client, port: u16) -> Result<(), Error> {
    let host = format!("127.0.0.1:{port}");
    let current = match admin(client, doc! { "replSetGetConfig": 1 }).await {
        Ok(answer) => answer.get_document("config").cloned().unwrap_or_default(),
        Err(error) if code_of(&error) == Some(NOT_YET_INITIALIZED) => {
            let members = vec![doc! { "_id": 0, "host": &host }];
            let initiate = doc! { "replSetInitiate": { "_id": NAME, "members": members } };
            return match admin(client, initiate).await {
                Err(error) if code_of(&error) != Some(ALREADY_INITIALIZED) => Err(error),
                _ => Ok(()),
            };
        }
        Err(error) => return Err(error),
    };
    let members = current.get_array("members").ok();
    let member = members.and_then(|members| members.first()).and_then(|member| member.as_document());
    if member.and_then(|member| member.get_str("host").ok()) == Some(host.as_str()) {
        return Ok(());
    }
    info!(port, "the port of mongod has changed, telling the replica set");
    let mut config = current.clone();
    config.insert("members", vec![doc! { "_id": 0, "host": &host }]);
    config.insert("version", current.get_i32("version").unwrap_or(1).saturating_add(1));
    admin(client, doc! { "replSetReconfig": config, "force": true }).await?;
    Ok(())
}

fn code_of(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}
