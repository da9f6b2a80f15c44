//! Reload by SIGHUP as its supervisor and the devices see it.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};

const SOON: Duration = Duration::from_secs(30);

/// A gateway whose hub is not there, and its supervisor.
struct World {
    dir: tempfile::TempDir,
    supervisor: UnixDatagram,
    process: Child,
    port: u16,
    _stdout: BufReader<std::process::ChildStdout>,
}

impl World {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let supervisor = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        supervisor.set_read_timeout(Some(SOON)).expect("a timeout");
        write(&dir, "127.0.0.1:0", "");
        let mut process = Command::new(env!("CARGO_BIN_EXE_penstock-agent"))
            .args(["run", "--config"])
            .arg(dir.path().join("agent.toml"))
            .env("NOTIFY_SOCKET", dir.path().join("notify"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the agent starts");
        let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let port = port_of(&mut stdout);
        let world = Self { dir, supervisor, process, port, _stdout: stdout };
        assert!(world.hears().starts_with("READY=1\n"));
        world
    }

    /// Reloads, and returns what the agent says that it does then.
    fn reload(&self, listen: &str, more: &str) -> String {
        write(&self.dir, listen, more);
        let sent = Command::new("kill").arg("-HUP").arg(self.process.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
        assert!(self.hears().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        let ready = self.hears();
        ready.strip_prefix("READY=1\nSTATUS=").expect("it is ready again").to_owned()
    }

    fn hears(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.supervisor.recv(&mut bytes).expect("the agent says something");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    fn listens_on(&self, port: u16) -> bool {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            self.process.wait().expect("it ends");
        }
    }
}

fn write(dir: &tempfile::TempDir, listen: &str, more: &str) {
    let text = format!(
        "[agent]\nid = \"gw\"\n[hub]\nurl = \"http://127.0.0.1:9\"\n[buffer]\ndir = {:?}\nmin_free_bytes = 0\n\
         [mqtt_listener]\nlisten = \"{listen}\"\n{more}",
        dir.path().join("buffer"),
    );
    std::fs::write(dir.path().join("agent.toml"), text).expect("a file");
}

fn port_of(stdout: &mut impl BufRead) -> u16 {
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    let port = line.trim().strip_prefix("penstock-agent mqtt listener on 127.0.0.1:");
    port.expect("the listener's line").parse().expect("a port")
}

async fn acknowledged(client: &AsyncClient, events: &mut EventLoop) -> usize {
    client.try_publish("plant/press", QoS::AtLeastOnce, false, "1").expect("room");
    let mut connections = 0;
    let wait = async {
        loop {
            match events.poll().await.expect("a connection") {
                Event::Incoming(Packet::ConnAck(_)) => connections += 1,
                Event::Incoming(Packet::PubAck(_)) => return connections,
                _ => {}
            }
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("acknowledged in time")
}

#[test]
fn what_is_wrong_is_told_and_the_old_configuration_goes_on() {
    let world = World::start();
    for (listen, more, expected) in [
        ("nowhere", "", "mqtt_listener.listen"),
        ("127.0.0.1:0", "[hub]\n", "agent.toml"),
        (
            "127.0.0.1:0",
            "[clock]\nset_file = \"/x\"\n[log]\nlevel = \"warn\"\n",
            "clock and log cannot change",
        ),
    ] {
        let status = world.reload(listen, more);
        assert!(status.starts_with("goes on with the old configuration: "), "{status}");
        assert!(status.contains(expected) && status.lines().count() == 1, "{status}");
        assert!(world.listens_on(world.port));
    }
    assert_eq!(world.reload("127.0.0.1:0", ""), "1 sources, sending to http://127.0.0.1:9");
}

#[test]
fn a_port_changes_when_the_new_one_is_to_be_had() {
    let world = World::start();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let wanted = format!("127.0.0.1:{port}");
    let status = world.reload(&wanted, "");
    assert!(status.contains(&format!("mqtt_listener.listen {wanted}: ")), "{status}");
    assert!(world.listens_on(world.port), "the old one goes on");

    drop(taken);
    let status = world.reload(&wanted, "");
    assert_eq!(status, "1 sources, sending to http://127.0.0.1:9");
    assert!(world.listens_on(port) && !world.listens_on(world.port));
}

#[tokio::test]
async fn a_device_notices_only_what_concerns_its_door() {
    let world = World::start();
    let (client, mut events) = AsyncClient::new(MqttOptions::new("device", "127.0.0.1", world.port), 10);
    assert_eq!(acknowledged(&client, &mut events).await, 1);
    let command = "[[command]]\nname = \"x\"\nrun = [\"sleep\", \"1000\"]\n";
    assert_eq!(world.reload("127.0.0.1:0", command), "2 sources, sending to http://127.0.0.1:9");
    assert_eq!(acknowledged(&client, &mut events).await, 0, "it is connected as before");
    world.reload("127.0.0.1:0", "[forward]\nlinger_ms = 5\n[[series]]\ntype = \"x\"\ndeadband = 1\n");
    assert_eq!(acknowledged(&client, &mut events).await, 0, "it is connected as before");
    // The same port, another server behind it.
    world.reload("127.0.0.1:0", "max_inflight = 7\n");
    assert!(world.listens_on(world.port));
    let ended = async { while events.poll().await.is_ok() {} };
    tokio::time::timeout(SOON, ended).await.expect("its connection ends");
    assert_eq!(acknowledged(&client, &mut events).await, 1);
}

#[test]
fn a_stop_is_told() {
    let mut world = World::start();
    let sent = Command::new("kill").arg("-TERM").arg(world.process.id().to_string()).status();
    assert!(sent.expect("kill runs").success());
    assert!(world.hears().starts_with("STOPPING=1\n"));
    assert!(world.process.wait().expect("it ends").success());
}
