//! The program as its supervisor sees it: exit codes, ready lines, signals, a kill.

use std::time::{Duration, Instant};

use super::world::{SOON, World, text_of};

/// So many messages of a device.
fn numbers(count: usize) -> impl Iterator<Item = (&'static str, String)> {
    (0..count).map(|number| ("plant/press", number.to_string()))
}

fn buffered(world: &World) -> Option<u64> {
    let output = world.command(&["status", "--json"]).output().expect("status runs");
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    status.pointer("/counts/buffered")?.as_u64()
}

#[test]
fn a_bad_configuration_ends_run_and_check_with_78_and_every_fault() {
    let world = World::new();
    std::fs::write(world.config(), "[buffer]\npolicy = \"pray\"\n[hub]\nurl = \"nowhere\"\n")
        .expect("a file");
    for name in ["run", "check", "status"] {
        let (code, text) = world.run(&[name]);
        assert_eq!(code, Some(78), "{name}: {text}");
        assert!(text.contains("agent.toml:2: buffer.policy:"), "{name}: {text}");
        assert!(text.contains("agent.toml:4: hub.url:"), "{name}: {text}");
    }
}

#[test]
fn a_good_configuration_passes_the_check() {
    let world = World::new();
    let (code, told) = world.run(&["check", "--config-only"]);
    assert_eq!(code, Some(0));
    assert!(told.contains("✓ agent gw sends to http://127.0.0.1:9"), "{told}");
}

#[tokio::test]
async fn the_check_looks_at_everything_that_the_configuration_names() {
    let world = World::new();
    world.configure(
        "[[mqtt_client]]\nurl = \"mqtt://127.0.0.1:9\"\n[[serial]]\nname = \"scale\"\nport = \"/dev/nowhere\"\n\
         [[command]]\nname = \"radio\"\nrun = [\"no-such-program\"]\n[[command]]\nname = \"shell\"\nrun = [\"sh\"]\n",
    );
    let agent = world.start();
    let (code, told) = world.run(&["check"]);
    assert_eq!(code, Some(1), "{told}");
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
    assert_eq!(agent.stop(), Some(0));
}

#[tokio::test]
async fn a_termination_signal_ends_it_cleanly() {
    let world = World::new();
    let agent = world.start();
    agent.take(numbers(10)).await;
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = world
        .command(&["run"])
        .env("PENSTOCK_AGENT__MQTT_LISTENER__LISTEN", &address)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text_of(&output).contains(&format!("mqtt_listener.listen {address}: ")), "{}", text_of(&output));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let world = World::new();
    let agent = world.start();
    agent.take(numbers(1000)).await;
    agent.kill();
    let _again = world.start();
    let deadline = Instant::now() + SOON;
    while buffered(&world) != Some(1000) {
        assert!(Instant::now() < deadline, "buffered: {:?}", buffered(&world));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
