//! A MongoDB of one's own: a replica set of one node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};

use super::{Process, checkout, free_port};
use crate::eventually::eventually_within;

/// The database that worlds use.
pub(super) const DATABASE: &str = "penstock";
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A running mongod.
#[derive(Debug)]
pub struct Mongod {
    /// For kills.
    pub process: Process,
    port: u16,
    client: Client,
}

impl Mongod {
    /// Starts a replica set of one node below `directory` and waits until it is primary.
    pub async fn start(directory: &Path) -> Self {
        let data = directory.join("mongod");
        std::fs::create_dir_all(&data).expect("the world's directory is writable");
        let port = free_port();
        let port_text = port.to_string();
        let data_text = data.to_str().expect("temporary paths are text");
        let arguments = [
            "--replSet",
            "rs0",
            "--bind_ip",
            "127.0.0.1",
            "--port",
            &port_text,
            "--dbpath",
            data_text,
            "--wiredTigerCacheSizeGB",
            "0.5",
            "--oplogSize",
            "512",
        ];
        let process = Process::new("mongod", binary(), &arguments, directory);
        let mut mongod = Self { process, port, client: client(port).await };
        mongod.process.start();
        mongod.initiate().await;
        mongod.primary().await;
        mongod
    }

    /// Returns the URI for the hub.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?replicaSet=rs0", self.port)
    }

    /// Returns the database, for looking at what is really there.
    #[must_use]
    pub fn database(&self) -> Database {
        self.client.database(DATABASE)
    }

    /// Starts it again after a kill, and waits until it is primary.
    pub async fn restart(&mut self) {
        self.process.start();
        self.primary().await;
    }

    async fn initiate(&self) {
        let admin = self.client.database("admin");
        let host = format!("127.0.0.1:{}", self.port);
        let set = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": host }] };
        eventually_within(START_PATIENCE, "mongod takes its replica set", async || {
            admin
                .run_command(doc! { "replSetInitiate": &set })
                .await
                .map(drop)
                .map_err(|fault| fault.to_string())
        })
        .await;
    }

    async fn primary(&self) {
        let admin = self.client.database("admin");
        eventually_within(START_PATIENCE, "mongod is primary", async || {
            let hello: Document =
                admin.run_command(doc! { "hello": 1 }).await.map_err(|fault| fault.to_string())?;
            if hello.get_bool("isWritablePrimary") == Ok(true) { Ok(()) } else { Err("it is not".to_owned()) }
        })
        .await;
    }
}

async fn client(port: u16) -> Client {
    let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
    let mut options = ClientOptions::parse(uri).await.expect("the URI is well-formed");
    options.server_selection_timeout = Some(Duration::from_secs(2));
    Client::with_options(options).expect("the options are valid")
}

fn binary() -> PathBuf {
    let fetched = || Some(checkout().join(".cache/mongod/mongod")).filter(|path| path.exists());
    let given = std::env::var_os("PENSTOCK_MONGOD").map(PathBuf::from);
    given.or_else(fetched).unwrap_or_else(|| PathBuf::from("mongod"))
}
