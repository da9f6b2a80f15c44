//! Commands that only look: `status`, `tap`, `check`.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use crate::world::{World, assert_says};

fn numbers(count: usize) -> impl Iterator<Item = (&'static str, String)> {
    (0..count).map(|number| ("plant/press", number.to_string()))
}

#[tokio::test]
async fn status_tells_of_the_agent_that_runs_and_of_the_one_that_was_killed() {
    let world = World::new();
    let (code, told) = world.run(&["status"]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["no buffer in "]);
    let agent = world.start();
    agent.take(numbers(5)).await;
    let (code, told) = world.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    // Asked, not read from the file of some seconds ago.
    assert_eq!(status.pointer("/counts/buffered").and_then(serde_json::Value::as_u64), Some(5), "{told}");
    assert!(code.is_some());
    let (_, told) = world.run(&["status"]);
    assert_says(&told, &["running for ", "received                   5", "✓ every record is accounted for"]);
    agent.kill();
    let (_, told) = world.run(&["status"]);
    assert_says(
        &told,
        &[
            "✗ wrong       the agent does not run",
            "(not running, last at ",
            "✓ every record is accounted for",
        ],
    );
}

#[tokio::test]
async fn the_socket_of_a_killed_agent_is_replaced_and_that_of_a_stopped_one_is_gone() {
    let world = World::new();
    world.start().kill();
    let path = world.buffer().join("control.sock");
    assert!(path.metadata().expect("a socket").file_type().is_socket());
    let agent = world.start();
    assert_eq!(path.metadata().expect("a socket").permissions().mode() & 0o777, 0o660);
    UnixStream::connect(&path).expect("somebody listens");
    agent.stop();
    assert!(!path.exists());
}

#[tokio::test]
async fn tap_shows_what_is_wanted_as_it_comes() {
    let world = World::new();
    let agent = world.start();
    let mut tap = world
        .command(&["tap", "--json", "--type", "temp*", "--source", "gw/*", "--count", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tap runs");
    let mut said = BufReader::new(tap.stderr.take().expect("a pipe"));
    said.read_line(&mut String::new()).expect("a line that says that it listens");
    agent.take([("a/temperature", "1".to_owned()), ("a/humidity", "2".to_owned())]).await;
    agent.take([("b/temperature", "3".to_owned())]).await;
    let mut heard = String::new();
    tap.stdout.take().expect("a pipe").read_to_string(&mut heard).expect("text");
    assert!(tap.wait().expect("an end").success());
    let readings: Vec<serde_json::Value> =
        heard.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let sources: Vec<_> = readings.iter().map(|reading| reading["series"]["source"].as_str()).collect();
    assert_eq!(sources, [Some("gw/a"), Some("gw/b")]);
}

#[tokio::test]
async fn a_listener_that_reads_nothing_holds_up_no_device() {
    let world = World::new();
    let agent = world.start();
    let mut tap =
        world.command(&["tap"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tap runs");
    let mut said = BufReader::new(tap.stderr.take().expect("a pipe"));
    said.read_line(&mut String::new()).expect("a line that says that it listens");
    // Far more than pipes, sockets and queue hold.
    let text = "x".repeat(16_000);
    agent.take((0..400).map(|_| ("plant/note", format!("\"{text}\"")))).await;
    drop(tap.stdout.take());
    assert!(tap.wait().expect("an end").success(), "a closed pipe is no failure");
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    assert!(!rest.contains("panicked"), "{rest}");
}

#[tokio::test]
async fn more_connections_than_fit_are_told_so() {
    let world = World::new();
    let _agent = world.start();
    let path = world.buffer().join("control.sock");
    let _held: Vec<_> = (0..8).map(|_| UnixStream::connect(&path).expect("a connection")).collect();
    let (code, told) = world.run(&["status"]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["connections are open already"]);
}

#[tokio::test]
async fn somebody_else_is_told_whose_the_buffer_is() {
    let world = World::new();
    let agent = world.start();
    std::fs::set_permissions(world.buffer(), std::fs::Permissions::from_mode(0o750)).expect("permissions");
    for words in [&["status"][..], &["tap"]] {
        let Some((code, told)) = world.run_as_nobody(words) else { return };
        assert_eq!(code, Some(1), "{words:?}: {told}");
        assert_says(&told, &["is owned by root: run this as that user or as root"]);
    }
    // Where they may look, they see what the agent writes down every few seconds.
    std::fs::set_permissions(world.buffer(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let Some((_, told)) = world.run_as_nobody(&["status"]) else { return };
    assert_says(&told, &["(running for ", "✓ every record is accounted for"]);
    std::fs::set_permissions(world.buffer(), std::fs::Permissions::from_mode(0o750)).expect("permissions");
    agent.stop();
    let Some((code, told)) = world.run_as_nobody(&["status"]) else { return };
    assert_eq!(code, Some(1));
    assert_says(&told, &["is owned by root: run this as that user or as root"]);
}

#[test]
fn the_check_looks_at_who_may_read_and_write_what() {
    let world = World::new();
    world.start().stop();
    world.configure("");
    let (_, told) = world.run(&["check"]);
    assert!(!told.contains("chown") && !told.contains("chmod"), "{told}");
    let secret =
        std::fs::read_to_string(world.config()).expect("a file").replace("[hub]", "[hub]\ntoken = \"x\"");
    std::fs::write(world.config(), secret).expect("a file");
    std::fs::set_permissions(world.config(), std::fs::Permissions::from_mode(0o644)).expect("permissions");
    // Only root can give a file away.
    let is_given = std::os::unix::fs::chown(world.buffer().join("state"), Some(65534), None).is_ok();
    let (code, told) = world.run(&["check"]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["✗ ", "holds the hub's token and is readable by everybody: chmod o-r"]);
    assert!(!is_given || told.contains("state is owned by nobody, the buffer by root: chown it"), "{told}");
    let Some((code, told)) = world.run_as_nobody(&["check"]) else { return };
    assert_eq!(code, Some(1));
    assert_says(&told, &["is owned by root and cannot be written: Permission denied"]);
    std::fs::set_permissions(world.buffer(), std::fs::Permissions::from_mode(0o700)).expect("permissions");
    let Some((_, told)) = world.run_as_nobody(&["check"]) else { return };
    assert_says(&told, &["✗ agent: whether it runs cannot be told"]);
}
