//! MongoDB as Penstock uses it: one file a collection, each the only place that knows its documents.
//!
//! This stage knows no HTTP and makes no decisions; stages call it.

pub mod batches;
pub mod changes;
pub mod events;
pub mod lease;
pub mod progress;
pub mod rollups;
pub mod series;

use std::time::Duration;

use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use mongodb::{Client, Collection, Database};
use penstock_shared::metrics::Granularity;

/// An error from the database, with what was being done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A command failed or its outcome is unknown.
    #[error("{action}: {source}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// The driver's error.
        source: Box<mongodb::error::Error>,
    },
    /// A document is not as this version writes it.
    #[error("{action}: unexpected document: {detail}")]
    Document {
        /// What was being done.
        action: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl StoreError {
    /// Returns a function that wraps a driver error with what was being done.
    pub fn doing(action: &'static str) -> impl Fn(mongodb::error::Error) -> Self {
        move |source| Self::Database { action, source: Box::new(source) }
    }

    /// Says that a document is not as this version writes it.
    pub fn document(action: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Document { action, detail: detail.to_string() }
    }
}

/// How long each kind of document is kept.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Raw readings; real retention is this plus a bucket's span (a day).
    pub raw: Duration,
    /// Minute rollups.
    pub minutes: Duration,
    /// Hour rollups.
    pub hours: Duration,
    /// Day rollups.
    pub days: Duration,
}

impl Retention {
    /// Returns how long rollups of a granularity are kept.
    #[must_use]
    pub const fn of(&self, granularity: Granularity) -> Duration {
        match granularity {
            Granularity::Minute => self.minutes,
            Granularity::Hour => self.hours,
            Granularity::Day => self.days,
        }
    }
}

/// The database with its collections and indexes made.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    database: Database,
}

/// The write concern of everything whose answer anybody waits for.
#[must_use]
pub fn majority() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).build()
}

impl Store {
    /// Creates what is missing of collections and indexes; safe to call from many hubs at once.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses.
    pub async fn open(client: Client, database: &str, retention: &Retention) -> Result<Self, StoreError> {
        let store = Self { database: client.database(database), client };
        events::create(&store, retention.raw).await?;
        batches::create(&store).await?;
        rollups::create(&store).await?;
        series::create(&store).await?;
        changes::create(&store).await?;
        Ok(store)
    }

    /// Returns the connection, for sessions.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the database, for watching and for commands.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Returns the server's time, which all hubs share.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn server_time(&self) -> Result<DateTime, StoreError> {
        let doing = "asking the server for its time";
        let hello = self.database.run_command(doc! { "hello": 1 }).await.map_err(StoreError::doing(doing))?;
        hello.get_datetime("localTime").copied().map_err(|error| StoreError::document(doing, error))
    }

    /// Returns a collection of plain documents.
    #[must_use]
    pub fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    /// Creates indexes of one collection from (name, keys, further options).
    pub(crate) async fn create_indexes(
        &self,
        collection: &str,
        indexes: &[(&str, Document, Document)],
    ) -> Result<(), StoreError> {
        let indexes: Vec<_> = indexes
            .iter()
            .map(|(name, keys, options)| {
                let mut index = doc! { "name": name, "key": keys };
                index.extend(options.clone());
                index
            })
            .collect();
        self.database
            .run_command(doc! { "createIndexes": collection, "indexes": indexes })
            .await
            .map_err(StoreError::doing("creating indexes"))?;
        Ok(())
    }
}
