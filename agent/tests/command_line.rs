//! The program as its operator and its supervisor see it: exit codes, ready lines, signals, a kill.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

const SOON: Duration = Duration::from_secs(30);

struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// A gateway whose hub is not there.
    fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().expect("a directory") };
        let text = format!(
            "[agent]\nid = \"gw\"\n[hub]\nurl = \"http://127.0.0.1:9\"\n[buffer]\ndir = {:?}\nmin_free_bytes = 0\n\
             [mqtt_listener]\nlisten = \"127.0.0.1:0\"\n",
            world.dir.path().join("buffer"),
        );
        std::fs::write(world.config(), text).expect("a file");
        world
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("agent.toml")
    }

    fn start(&self) -> Agent {
        let mut process =
            command("run", &self.config()).stdout(Stdio::piped()).spawn().expect("the agent starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let listener = lines.next().expect("a line");
        let port =
            listener.strip_prefix("penstock-agent mqtt listener on 127.0.0.1:").expect("the listener's line");
        let port = port.parse().expect("a port");
        assert_eq!(lines.next().as_deref(), Some("penstock-agent ready"));
        Agent { process, port }
    }

    fn buffered(&self) -> Option<u64> {
        let output = command("status", &self.config()).arg("--json").output().expect("status runs");
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        status.pointer("/counts/buffered")?.as_u64()
    }
}

struct Agent {
    process: Child,
    port: u16,
}

impl Agent {
    /// Publishes numbers with QoS 1 until `count` are acknowledged.
    async fn take(&self, count: usize) {
        let options = MqttOptions::new("device", "127.0.0.1", self.port);
        let (client, mut events) = AsyncClient::new(options, count + 1);
        for number in 0..count {
            client.try_publish("plant/press", QoS::AtLeastOnce, false, number.to_string()).expect("room");
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

    fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").arg(name).arg(self.process.id().to_string()).status().expect("kill runs");
        assert!(sent.success());
    }

    fn exit_code(&mut self) -> Option<i32> {
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

fn command(name: &str, config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-agent"));
    command.arg(name).arg("--config").arg(config);
    command
}

fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_bad_configuration_ends_run_and_check_with_78_and_every_fault() {
    let world = World::new();
    std::fs::write(world.config(), "[buffer]\npolicy = \"pray\"\n[hub]\nurl = \"nowhere\"\n")
        .expect("a file");
    for name in ["run", "check", "status"] {
        let output = command(name, &world.config()).output().expect("it runs");
        let text = text_of(&output);
        assert_eq!(output.status.code(), Some(78), "{name}: {text}");
        assert!(text.contains("agent.toml:2: buffer.policy:"), "{name}: {text}");
        assert!(text.contains("agent.toml:4: hub.url:"), "{name}: {text}");
    }
}

#[test]
fn a_good_configuration_passes_the_check() {
    let world = World::new();
    let output = command("check", &world.config()).arg("--config-only").output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(text_of(&output).contains("✓ agent gw sends to http://127.0.0.1:9"), "{}", text_of(&output));
}

#[tokio::test]
async fn the_check_looks_at_everything_that_the_configuration_names() {
    let world = World::new();
    let mut text = std::fs::read_to_string(world.config()).expect("a file");
    text.push_str(
        "[[mqtt_client]]\nurl = \"mqtt://127.0.0.1:9\"\n[[serial]]\nname = \"scale\"\nport = \"/dev/nowhere\"\n\
         [[command]]\nname = \"radio\"\nrun = [\"no-such-program\"]\n[[command]]\nname = \"shell\"\nrun = [\"sh\"]\n",
    );
    std::fs::write(world.config(), text).expect("a file");
    let mut agent = world.start();
    let output = command("check", &world.config()).output().expect("it runs");
    let told = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for expected in [
        "✓ buffer in ",
        "✓ agent: running",
        "✗ port of scale: /dev/nowhere does not exist",
        "✗ program of radio: no-such-program is not there",
        "✓ program of shell: /",
        "✗ broker 127.0.0.1:9: ",
        "✗ hub http://127.0.0.1:9: ",
        "✓ clock: set",
        "4 of ",
    ] {
        assert!(told.contains(expected), "no {expected:?} in:\n{told}");
    }
    agent.signal("-TERM");
    assert_eq!(agent.exit_code(), Some(0));
}

#[tokio::test]
async fn a_termination_signal_ends_it_cleanly() {
    let world = World::new();
    let mut agent = world.start();
    agent.take(10).await;
    agent.signal("-TERM");
    assert_eq!(agent.exit_code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = command("run", &world.config())
        .env("PENSTOCK_AGENT__MQTT_LISTENER__LISTEN", &address)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text_of(&output).contains(&format!("mqtt_listener.listen {address}: ")), "{}", text_of(&output));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let world = World::new();
    let mut agent = world.start();
    agent.take(1000).await;
    agent.signal("-KILL");
    assert_eq!(agent.exit_code(), None, "killed");
    let _again = world.start();
    let deadline = Instant::now() + SOON;
    while world.buffered() != Some(1000) {
        assert!(Instant::now() < deadline, "buffered: {:?}", world.buffered());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
