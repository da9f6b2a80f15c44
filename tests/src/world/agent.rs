//! An agent process with its MQTT listener.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use penstock_shared::report::RecordCounts;
use serde_json::Value;

use super::{Process, program, settings};

const LISTENING: &str = "penstock-agent mqtt listener on ";
const READY: &str = "penstock-agent ready";

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    /// For kills.
    pub process: Process,
    config: PathBuf,
    id: String,
    hub: String,
    buffer: PathBuf,
    added: String,
    listener: SocketAddr,
}

impl Agent {
    /// Starts an agent with its configuration below `directory` and waits until it takes publishes.
    pub async fn start(directory: &Path, id: &str, hub: &str, buffer: &Path, added: &str) -> Self {
        let config = directory.join(format!("{id}.toml"));
        let config_text = config.to_str().expect("temporary paths are text");
        let process =
            Process::new(id, program("penstock-agent"), &["run", "--config", config_text], directory);
        let mut agent = Self {
            process,
            config,
            id: id.to_owned(),
            hub: hub.to_owned(),
            buffer: buffer.to_owned(),
            added: added.to_owned(),
            listener: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        agent.restart().await;
        agent
    }

    /// Starts it again at the same port after a kill or a stop, and waits until it takes publishes.
    pub async fn restart(&mut self) {
        self.write_config();
        self.process.start();
        self.listener = self.process.line(LISTENING).await.parse().expect("the agent prints its address");
        self.process.line(READY).await;
    }

    /// Starts it without waiting for anything: it may well fail.
    pub fn restart_unattended(&mut self) {
        self.write_config();
        self.process.start();
    }

    /// Has it take what was added to its configuration while it runs; says in the log what came of it.
    pub fn reload(&self) {
        self.write_config();
        self.process.hang_up();
    }

    /// Returns the address of its MQTT listener.
    #[must_use]
    pub fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// Returns its configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Returns its id, which its sources begin with.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns its buffer directory.
    #[must_use]
    pub fn buffer(&self) -> &Path {
        &self.buffer
    }

    /// Changes what was added to its configuration, for the next start.
    pub fn set_added(&mut self, added: &str) {
        added.clone_into(&mut self.added);
    }

    /// Returns what `penstock-agent status --json` says.
    ///
    /// # Errors
    /// With what it says instead.
    pub fn status(&self) -> Result<Value, String> {
        let output = Command::new(program("penstock-agent"))
            .args(["status", "--json", "--config"])
            .arg(&self.config)
            .output()
            .map_err(|fault| fault.to_string())?;
        serde_json::from_slice(&output.stdout)
            .map_err(|fault| format!("status: {fault}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Returns the conservation counts of its status.
    ///
    /// # Errors
    /// When there is no status, or it has no counts.
    pub fn counts(&self) -> Result<RecordCounts, String> {
        serde_json::from_value(self.status()?["counts"].clone()).map_err(|fault| format!("counts: {fault}"))
    }

    fn write_config(&self) {
        let (id, hub, buffer, listener) = (&self.id, &self.hub, self.buffer.display(), self.listener);
        let base = format!(
            "[agent]\nid = \"{id}\"\n[hub]\nurl = \"{hub}\"\n[buffer]\ndir = \"{buffer}\"\n\
             [mqtt_listener]\nenabled = true\nlisten = \"{listener}\"\n"
        );
        settings::write(&self.config, &base, &self.added);
    }
}
