//! A gateway with the real program, whose hub is not there.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().expect("a directory") };
        world.configure("");
        world
    }

    /// Writes the configuration, with `added` behind what every gateway here has.
    pub(crate) fn configure(&self, added: &str) {
        let text = format!(
            "[agent]\nid = \"gw\"\n[hub]\nurl = \"http://127.0.0.1:9\"\n[buffer]\ndir = {:?}\nmin_free_bytes = 0\n\
             [mqtt_listener]\nlisten = \"127.0.0.1:0\"\n{added}",
            self.buffer(),
        );
        std::fs::write(self.config(), text).expect("a file");
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("agent.toml")
    }

    pub(crate) fn buffer(&self) -> PathBuf {
        self.dir.path().join("buffer")
    }

    pub(crate) fn start(&self) -> Agent {
        let mut process = self.command(&["run"]).stdout(Stdio::piped()).spawn().expect("the agent starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let listener = lines.next().expect("a line");
        let port =
            listener.strip_prefix("penstock-agent mqtt listener on 127.0.0.1:").expect("the listener's line");
        let port = port.parse().expect("a port");
        assert_eq!(lines.next().as_deref(), Some("penstock-agent ready"));
        Agent { process, port }
    }

    /// A command with this gateway's configuration behind its words.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-agent"));
        command.args(words).arg("--config").arg(self.config());
        command
    }

    /// Runs a command, and returns its exit code and what it said.
    pub(crate) fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.command(words).stdin(Stdio::null()).output().expect("it runs");
        (output.status.code(), text_of(&output))
    }

    /// Runs a command that reads `input`.
    pub(crate) fn run_with_input(&self, words: &[&str], input: &str) -> (Option<i32>, String) {
        let file = self.dir.path().join("input");
        std::fs::write(&file, input).expect("written");
        let input = std::fs::File::open(file).expect("readable");
        let output = self.command(words).stdin(input).output().expect("it runs");
        (output.status.code(), text_of(&output))
    }

    /// Runs a command as nobody; none where only root could.
    pub(crate) fn run_as_nobody(&self, words: &[&str]) -> Option<(Option<i32>, String)> {
        let is_root = Command::new("id").arg("-u").output().ok()?.stdout == b"0\n";
        if !is_root {
            return None;
        }
        // The program may lie where nobody may look.
        let program = self.dir.path().join("penstock-agent");
        std::fs::copy(env!("CARGO_BIN_EXE_penstock-agent"), &program).expect("a copy");
        open_to_all(self.dir.path());
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(words);
        let output = command.arg("--config").arg(self.config()).output().ok()?;
        Some((output.status.code(), text_of(&output)))
    }
}

fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}

pub(crate) struct Agent {
    process: Child,
    port: u16,
}

impl Agent {
    /// Publishes payloads with QoS 1 until all are acknowledged.
    pub(crate) async fn take<'a>(&self, messages: impl IntoIterator<Item = (&'a str, String)>) {
        let messages: Vec<_> = messages.into_iter().collect();
        let mut options = MqttOptions::new("device", "127.0.0.1", self.port);
        options.set_max_packet_size(64 * 1024, 64 * 1024);
        let (client, mut events) = AsyncClient::new(options, messages.len() + 1);
        let count = messages.len();
        for (topic, payload) in messages {
            client.try_publish(topic, QoS::AtLeastOnce, false, payload).expect("room");
        }
        let acknowledged = async {
            let mut acknowledged = 0;
            while acknowledged < count {
                let event = events.poll().await.expect("a connection");
                acknowledged += usize::from(matches!(event, Event::Incoming(Packet::PubAck(_))));
            }
        };
        tokio::time::timeout(SOON, acknowledged).await.expect("acknowledged in time");
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().expect("a kill");
        self.process.wait().expect("an end");
    }

    /// Ends it as its supervisor does, and returns its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").arg(pid).status().expect("kill runs").success());
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.process.try_wait().expect("a state") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the agent does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            self.process.wait().expect("it ends");
        }
    }
}

pub(crate) fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Asserts that everything expected is there.
pub(crate) fn assert_says(told: &str, expected: &[&str]) {
    for part in expected {
        assert!(told.contains(part), "no {part:?} in:\n{told}");
    }
}
