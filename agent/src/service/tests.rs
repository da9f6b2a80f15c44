//! A supervisor of our own listens to what the agent says, at a real socket.

use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, mpsc};

use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};

use super::*;
use crate::buffer::{Buffer, BufferSettings};
use crate::clock::Clock;
use crate::committer::{self, CommitLimits};
use crate::config::LimitSettings;
use crate::delivery::Delivery;
use crate::edge::Edge;

const PERIOD: Duration = Duration::from_millis(100);
/// So many heartbeats fit into what a test waits for.
const SEVERAL: u32 = 4;
/// So many messages are read in the hope for one.
const BOUND: u32 = 100;

struct Listener {
    socket: UnixDatagram,
    name: String,
    _directory: tempfile::TempDir,
}

impl Listener {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { socket, name: path.to_str().unwrap().to_owned(), _directory: directory }
    }

    fn supervisor(&self, further: &[(&str, &str)]) -> Supervisor {
        supervisor(&self.name, further)
    }

    fn next(&self) -> Option<String> {
        self.socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        receive(&self.socket)
    }

    /// Returns what has come and was not read.
    fn waiting(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).unwrap();
        let waiting = std::iter::from_fn(|| receive(&self.socket)).collect();
        self.socket.set_nonblocking(false).unwrap();
        waiting
    }
}

fn supervisor(name: &str, further: &[(&str, &str)]) -> Supervisor {
    let mut variables: BTreeMap<_, _> = further.iter().copied().collect();
    variables.insert("NOTIFY_SOCKET", name);
    Supervisor::told_by(|name| variables.get(name).map(Into::into), 7)
}

fn receive(socket: &UnixDatagram) -> Option<String> {
    let mut bytes = [0; 1024];
    let length = socket.recv(&mut bytes).ok()?;
    Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
}

#[test]
fn the_supervisor_hears_of_start_reload_and_stop() {
    let listener = Listener::new();
    let supervisor = listener.supervisor(&[]);
    supervisor.ready("3 sources\nof 3");
    assert_eq!(listener.next().unwrap(), "READY=1\nSTATUS=3 sources; of 3");
    supervisor.reloading();
    let reloading = listener.next().unwrap();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let since: f64 = since.lines().next().unwrap().parse().unwrap();
    assert!((uptime - since / 1e6).abs() < 60.0, "{reloading:?} at {uptime}");
    supervisor.stopping();
    assert!(listener.next().unwrap().starts_with("STOPPING=1\nSTATUS="));
}

#[test]
fn an_abstract_name_is_a_socket_too() {
    let name = format!("penstock-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    supervisor(&format!("@{name}"), &[]).status("hello");
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(receive(&socket).unwrap(), "STATUS=hello");
}

#[test]
fn without_a_supervisor_and_with_one_that_is_gone_the_agent_works_all_the_same() {
    supervisor("relative/name", &[]).ready("");
    Supervisor::told_by(|_| None, 7).ready("");
    let listener = Listener::new();
    let supervisor = listener.supervisor(&[("WATCHDOG_USEC", "1000000")]);
    drop(listener);
    supervisor.ready("");
    assert_eq!(supervisor.watchdog(), Some(Duration::from_secs(1)));
}

#[test]
fn a_watchdog_that_is_meant_for_another_process_is_none() {
    let listener = Listener::new();
    for (variables, expected) in [
        (&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "7")][..], Some(Duration::from_secs(2))),
        (&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "8")], None),
        (&[("WATCHDOG_USEC", "0")], None),
        (&[], None),
    ] {
        assert_eq!(listener.supervisor(variables).watchdog(), expected, "{variables:?}");
    }
}

/// Beats until it is dropped, for a watchdog of [`PERIOD`].
fn heart(listener: &Listener, parts: Vec<(&'static str, Pulse)>) -> tokio::task::JoinHandle<()> {
    let micros = PERIOD.as_micros().to_string();
    tokio::spawn(beat(Arc::new(listener.supervisor(&[("WATCHDOG_USEC", &micros)])), parts))
}

/// Reads until the heart has stopped for a part, and makes sure that it does not beat on.
async fn is_silent_of(listener: &Listener, part: &str) {
    let mut said = (0..BOUND).map_while(|_| listener.next());
    assert!(said.any(|line| line == format!("STATUS={part} hangs")), "the heart beats on");
    tokio::time::sleep(PERIOD * SEVERAL).await;
    let said = listener.waiting();
    assert!(!said.is_empty() && said.iter().all(|line| line != "WATCHDOG=1"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committer_that_hangs_stops_the_heartbeat_and_an_idle_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let settings = BufferSettings { min_free_bytes: 0, ..BufferSettings::new(dir.path().to_owned()) };
    let edge = Edge::new(&[], LimitSettings::default());
    let buffer = Buffer::open(settings).unwrap();
    let (commits, thread) =
        committer::spawn(buffer, CommitLimits::default(), edge, Arc::new(Clock::of_wall())).unwrap();
    let listener = Listener::new();
    let heart = heart(&listener, vec![("committer", commits.pulse())]);
    for _ in 0..SEVERAL {
        assert_eq!(listener.next().unwrap(), "WATCHDOG=1");
    }
    // The committer waits within the work that it does for this delivery.
    let (release, hung) = mpsc::channel::<()>();
    let reading = Reading {
        series: Arc::new(Series::new("temperature", "gw/a").unwrap()),
        time: TimestampMicros(1),
        value: Value::Number(1.0),
    };
    let done = Box::new(move |_| assert!(hung.recv().is_ok()));
    let delivery = Delivery { readings: vec![reading], dead_letters: Vec::new(), done };
    commits.submit(delivery).await.unwrap();
    is_silent_of(&listener, "committer").await;

    release.send(()).unwrap();
    assert!((0..BOUND).map_while(|_| listener.next()).any(|line| line == "WATCHDOG=1"), "the heart goes on");
    heart.abort();
    drop(commits);
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_part_that_hangs_is_enough() {
    let (busy, idle) = (Pulse::default(), Pulse::default());
    let listener = Listener::new();
    let heart = heart(&listener, vec![("committer", idle), ("forwarder", busy.clone())]);
    let _in_hand = busy.begin();
    is_silent_of(&listener, "forwarder").await;
    heart.abort();
}
