//! The processes that a scenario plays with, and the wire between two of them.
//!
//! Each can be killed, frozen and started again at the same port with the same data.

mod agent;
mod broker;
mod hub;
mod link;
mod mongod;
mod process;
mod settings;

use std::path::{Path, PathBuf};

pub use agent::Agent;
pub use broker::Broker;
pub use hub::Hub;
pub use link::{Fault, Link};
pub use mongod::Mongod;
pub use process::Process;

/// A mongod, a hub, a link and an agent with its MQTT listener, connected in this order and ready.
#[derive(Debug)]
pub struct World {
    /// Dropped first, as the data flows.
    pub agent: Agent,
    /// Between agent and hub.
    pub link: Link,
    /// The centre.
    pub hub: Hub,
    /// The store.
    pub mongod: Mongod,
    /// Where everything lies.
    pub directory: tempfile::TempDir,
}

/// What a world is built with.
#[derive(Debug, Default)]
pub struct Plan {
    hub_settings: String,
    agent_settings: String,
    buffer: Option<PathBuf>,
}

impl Plan {
    /// Adds to the hub's configuration, as TOML.
    #[must_use]
    pub fn hub(mut self, settings: &str) -> Self {
        settings.clone_into(&mut self.hub_settings);
        self
    }

    /// Adds to the agent's configuration, as TOML.
    #[must_use]
    pub fn agent(mut self, settings: &str) -> Self {
        settings.clone_into(&mut self.agent_settings);
        self
    }

    /// Puts the agent's buffer elsewhere: on a disk that can fail.
    #[must_use]
    pub fn buffer(mut self, directory: &Path) -> Self {
        self.buffer = Some(directory.to_owned());
        self
    }

    /// Starts everything.
    pub async fn start(self) -> World {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mongod = Mongod::start(directory.path()).await;
        let hub = Hub::start(directory.path(), "hub", &mongod.uri(), &self.hub_settings).await;
        let link = Link::to(hub.port()).await;
        let buffer = self.buffer.unwrap_or_else(|| directory.path().join("buffer"));
        let agent = Agent::start(directory.path(), AGENT, &link.url(), &buffer, &self.agent_settings).await;
        World { agent, link, hub, mongod, directory }
    }
}

/// The id of a world's first agent.
pub const AGENT: &str = "gw";

impl World {
    /// Starts a world with default settings.
    pub async fn start() -> Self {
        Plan::default().start().await
    }

    /// Describes a world with settings of its own.
    #[must_use]
    pub fn with() -> Plan {
        Plan::default()
    }
}

/// Returns the checkout's root.
#[must_use]
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout")
}

/// Returns the path of one of the project's programs: in `PENSTOCK_BIN_DIR`, else beside this test's own directory.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let given = std::env::var_os("PENSTOCK_BIN_DIR").map(PathBuf::from);
    let directory = given.unwrap_or_else(|| {
        let own = std::env::current_exe().expect("a test knows its own path");
        let parent = own.parent().expect("a program lies in a directory");
        if parent.ends_with("deps") { parent.join("..") } else { parent.to_owned() }
    });
    let path = directory.join(name);
    assert!(path.exists(), "{} is missing: cargo build -p penstock-agent -p penstock-hub", path.display());
    path
}

/// Returns a port that was free a moment ago, for programs that cannot be asked which one they took.
#[must_use]
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}
