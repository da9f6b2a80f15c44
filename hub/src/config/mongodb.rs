//! `[mongodb]` and `[mongodb.managed]`: a MongoDB of one's own, or the one that the hub keeps.

use std::path::PathBuf;

use super::document::Document;

/// Where the readings are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct MongodbSettings {
    /// The URI of a replica set; none where the hub keeps its own mongod.
    pub uri: Option<String>,
    /// The database's name.
    pub database: String,
    /// The most connections that the hub opens.
    pub max_pool_size: u32,
    /// The mongod that the hub keeps when there is no URI.
    pub managed: ManagedSettings,
}

/// The mongod that the hub starts and supervises.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedSettings {
    /// The program; none to look for it.
    pub binary: Option<PathBuf>,
    /// Where its data, its log and its port number are kept.
    pub data_dir: PathBuf,
    /// Its port on the loopback interface; 0 takes any free one and keeps it.
    pub port: u16,
    /// The size of its cache in MiB.
    pub cache_mb: u32,
    /// The size of its oplog in MiB.
    pub oplog_mb: u32,
}

impl MongodbSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let managed = ManagedSettings::read(document);
        let mut section = document.section("mongodb");
        let uri = section.take("uri", String::new());
        if !uri.is_empty() && !uri.starts_with("mongodb://") && !uri.starts_with("mongodb+srv://") {
            section.fault("uri", "must begin with mongodb:// or mongodb+srv://");
        }
        let database = section.take("database", "penstock".to_owned());
        if database.is_empty()
            || database.len() > 63
            || database.contains(['/', '\\', '.', ' ', '"', '$', '\0'])
        {
            section.fault("database", "must have 1 to 63 characters, none of / \\ . \" $ or a blank");
        }
        let max_pool_size = section.number("max_pool_size", 64, 8..=1000);
        Self { uri: (!uri.is_empty()).then_some(uri), database, max_pool_size, managed }
    }
}

impl ManagedSettings {
    fn read(document: &mut Document) -> Self {
        let mut section = document.section("mongodb.managed");
        let binary = section.take("binary", PathBuf::new());
        let data_dir = section.take("data_dir", PathBuf::from("/var/lib/penstock/mongo"));
        if data_dir.as_os_str().is_empty() {
            section.fault("data_dir", "must not be empty");
        }
        Self {
            binary: (!binary.as_os_str().is_empty()).then_some(binary),
            data_dir,
            port: section.take("port", 0),
            cache_mb: section.number("cache_mb", 256, 256..=1_000_000),
            oplog_mb: section.number("oplog_mb", 1024, 990..=1_000_000),
        }
    }
}
