//! A hub process at a MongoDB that the test owns.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::mongod::DATABASE;
use super::{Process, program, settings};
use crate::rest::Rest;

const READY: &str = "penstock-hub listening on http://127.0.0.1:";

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    /// For kills.
    pub process: Process,
    config: PathBuf,
    mongodb: String,
    added: String,
    port: u16,
}

impl Hub {
    /// Starts a hub with its configuration below `directory` and waits until it listens.
    pub async fn start(directory: &Path, name: &str, mongodb: &str, added: &str) -> Self {
        let config = directory.join(format!("{name}.toml"));
        let config_text = config.to_str().expect("temporary paths are text");
        let process =
            Process::new(name, program("penstock-hub"), &["run", "--config", config_text], directory);
        let mut hub = Self { process, config, mongodb: mongodb.to_owned(), added: added.to_owned(), port: 0 };
        hub.restart().await;
        hub
    }

    /// Starts it again at the same port after a kill or a stop, and waits until it listens.
    pub async fn restart(&mut self) {
        let (port, mongodb) = (self.port, &self.mongodb);
        let base = format!(
            "[http]\nlisten = \"127.0.0.1:{port}\"\n[mongodb]\nuri = \"{mongodb}\"\ndatabase = \"{DATABASE}\"\n"
        );
        settings::write(&self.config, &base, &self.added);
        self.process.start();
        self.port = self.process.line(READY).await.parse().expect("the hub prints its port");
    }

    /// Returns the port that it listens at.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its address for browsers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns a client of its HTTP surface.
    #[must_use]
    pub fn rest(&self) -> Rest {
        Rest::new(&self.url())
    }

    /// Adds an agent and returns its token.
    ///
    /// # Panics
    /// When the program refuses.
    #[must_use]
    pub fn add_agent(&self, agent: &str) -> String {
        self.agents(&["add", agent])
    }

    /// Invites an agent, with further words of the command line, and returns the code.
    ///
    /// # Panics
    /// When the program refuses.
    #[must_use]
    pub fn invite(&self, agent: &str, more: &[&str]) -> String {
        self.agents(&[&["invite", agent], more].concat())
    }

    fn agents(&self, words: &[&str]) -> String {
        let output = Command::new(program("penstock-hub"))
            .arg("agents")
            .args(words)
            .arg("--config")
            .arg(&self.config)
            .output()
            .expect("the hub's program starts");
        assert!(output.status.success(), "agents {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a secret is text").trim().to_owned()
    }
}
