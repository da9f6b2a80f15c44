//! The programs of the demonstration, and the ports that they found.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use penstock_tests::plant::Plant;
use penstock_tests::world::{Process, checkout, free_port, program};

const HTTP_PORT: u16 = 8080;
const MQTT_PORT: u16 = 1883;
const AGENT: &str = "gw-demo";

/// Hub and agent with their data in a directory that goes with them.
pub(crate) struct Stations {
    agent: Process,
    hub: Process,
    /// The hub's address.
    pub(crate) url: String,
    /// The agent's MQTT listener.
    pub(crate) listener: SocketAddr,
    /// The port of the hub's own MongoDB.
    pub(crate) mongod_port: u16,
    /// Where the agent keeps its status.
    pub(crate) agent_config: PathBuf,
    directory: tempfile::TempDir,
}

impl Stations {
    /// Starts the hub and then the agent, at the usual ports where those are free.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let cache = checkout().join(".cache");
        fs::create_dir_all(&cache)?;
        // One start at a time on this machine: between looking for a free port and taking it, another copy could.
        let starting = File::create(std::env::temp_dir().join("penstock-demo.lock"))?;
        starting.lock()?;
        let directory = tempfile::Builder::new().prefix("demo-").tempdir_in(&cache)?;
        let mongod_port = free_port();
        println!("starting the hub with its MongoDB …");
        let (hub, url, listener) = start_hub(directory.path(), mongod_port).await?;
        println!("starting the agent …");
        let (agent, listener, agent_config) = start_agent(directory.path(), &url, listener).await?;
        drop(starting);
        Ok(Self { agent, hub, url, listener, mongod_port, agent_config, directory })
    }

    /// Starts the plant.
    pub(crate) fn plant(&self, rate: f64) -> Plant {
        Plant::start(self.listener, rate)
    }

    /// Says where to look and what to try.
    pub(crate) fn introduce(&self) {
        let port = self.listener.port();
        println!("\n  dashboard   {}", self.url);
        println!("  publish     mosquitto_pub -p {port} -q 1 -t kitchen/kettle/temperature -m 93.5");
        println!("  data        {} (removed at the end)", self.directory.path().display());
        println!("\nCtrl-C ends everything.\n");
    }

    /// Waits until a program ends that should not.
    pub(crate) async fn first_to_end(&mut self) -> anyhow::Error {
        loop {
            for (name, process) in [("hub", &mut self.hub), ("agent", &mut self.agent)] {
                if let Some(status) = process.exit_status() {
                    return anyhow::anyhow!("the {name} ended with {status}:\n{}", process.log());
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Ends the agent and then the hub, as the data flows.
    pub(crate) async fn stop(mut self) {
        for (name, process) in [("agent", &mut self.agent), ("hub", &mut self.hub)] {
            let status = process.stop().await;
            if !status.success() {
                eprintln!("the {name} ended with {status}:\n{}", process.log());
            }
        }
        println!("everything has ended");
    }
}

async fn start_hub(directory: &Path, mongod_port: u16) -> anyhow::Result<(Process, String, SocketAddr)> {
    let (http, mqtt) = (preferred(HTTP_PORT), preferred(MQTT_PORT));
    let config = directory.join("hub.toml");
    let data = directory.join("mongo");
    let settings = format!(
        "[http]\nlisten = \"{http}\"\n[mongodb.managed]\ndata_dir = \"{}\"\nport = {mongod_port}\n\
         [dashboard]\nmqtt_hint = \"{mqtt}\"\n",
        data.display()
    );
    fs::write(&config, settings)?;
    let config = config.to_str().context("the checkout's path is no text")?;
    let mut hub = Process::new("hub", program("penstock-hub"), &["run", "--config", config], directory);
    hub.lead_own_group();
    hub.start();
    let url = hub.line("penstock-hub listening on ").await;
    Ok((hub, url, mqtt))
}

async fn start_agent(
    directory: &Path,
    hub: &str,
    listener: SocketAddr,
) -> anyhow::Result<(Process, SocketAddr, PathBuf)> {
    let config = directory.join("agent.toml");
    let buffer = directory.join("agent");
    let settings = format!(
        "[agent]\nid = \"{AGENT}\"\n[hub]\nurl = \"{hub}\"\n[buffer]\ndir = \"{}\"\n\
         [mqtt_listener]\nenabled = true\nlisten = \"{listener}\"\n",
        buffer.display()
    );
    fs::write(&config, settings)?;
    let config_text = config.to_str().context("the checkout's path is no text")?;
    let mut agent =
        Process::new("agent", program("penstock-agent"), &["run", "--config", config_text], directory);
    agent.lead_own_group();
    agent.start();
    let listener = agent.line("penstock-agent mqtt listener on ").await.parse()?;
    agent.line("penstock-agent ready").await;
    Ok((agent, listener, config))
}

/// Returns the loopback address with the port, or with another one that is free where that one is taken.
fn preferred(port: u16) -> SocketAddr {
    let port = if TcpListener::bind(("127.0.0.1", port)).is_ok() { port } else { free_port() };
    SocketAddr::from(([127, 0, 0, 1], port))
}
