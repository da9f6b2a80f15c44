//! `dead-letters`: looked at and sent again, while the agent runs, when it does not, and through kills.

use std::time::Duration;

use crate::world::{Agent, World, assert_says};

const MAPPING: &str = "[[mapping]]\ntopic = \"other/#\"\ntype = \"other\"\nsource = \"other\"\n";

fn bad(count: usize) -> impl Iterator<Item = (&'static str, String)> {
    (0..count).map(|number| ("plant/press", format!("{{\"value\": {number}")))
}

fn unmapped(count: usize) -> impl Iterator<Item = (&'static str, String)> {
    (0..count).map(|number| ("plant/press", number.to_string()))
}

/// A gateway whose mapping forgets the plant, with a letter for each of its messages.
async fn with_unmapped(count: usize) -> (World, Agent) {
    let world = World::new();
    world.configure(MAPPING);
    let agent = world.start();
    agent.take(unmapped(count)).await;
    world.configure("");
    (world, agent)
}

fn counts(world: &World) -> (u64, u64, u64) {
    let (_, told) = world.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let count = |name: &str| status["counts"][name].as_u64().expect("a count");
    assert_eq!(status["balanced"].as_bool(), Some(true), "{told}");
    (count("received"), count("deadLettered"), count("buffered"))
}

#[tokio::test]
async fn letters_are_listed_and_shown_while_the_agent_runs_and_when_it_does_not() {
    let world = World::new();
    let agent = world.start();
    let (code, told) = world.run(&["dead-letters", "ls"]);
    assert_eq!((code, told.trim()), (Some(0), "no dead letters"));
    agent.take(bad(3)).await;
    let mut agent = Some(agent);
    for running in [true, false] {
        let (code, told) = world.run(&["dead-letters", "ls", "--limit", "2"]);
        assert_eq!(code, Some(0), "running {running}: {told}");
        assert_says(
            &told,
            &["     2  ", "     3  ", "bad_json", "mqtt plant/press", "… 1 older ones: --before 2"],
        );
        let (code, told) = world.run(&["dead-letters", "show", "1"]);
        assert_eq!(code, Some(0), "running {running}: {told}");
        assert_says(&told, &["reason   bad_json: ", "payload  11 bytes", "  {\"value\": 0"]);
        let (code, told) = world.run(&["dead-letters", "show", "99"]);
        assert_eq!(code, Some(1));
        assert_says(&told, &["there is no dead letter 99"]);
        let (code, told) = world.run(&["dead-letters", "replay", "1"]);
        assert_eq!(code, Some(1));
        assert_says(&told, &["✗ letter 1: still no reading: bad_json", "0 sent, 1 stay"]);
        if let Some(agent) = agent.take() {
            agent.kill();
        }
    }
}

#[tokio::test]
async fn what_is_mapped_now_becomes_readings() {
    let (world, agent) = with_unmapped(3).await;
    let (code, told) = world.run(&["dead-letters", "replay", "2", "--dry-run"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(counts(&world), (3, 3, 0));
    let (code, told) = world.run(&["dead-letters", "replay", "2"]);
    assert_eq!(code, Some(0), "{told}");
    assert_says(&told, &["✓ letter 2: 1 readings", "1 sent, 0 stay"]);
    assert_eq!(counts(&world), (3, 2, 1));
    let (code, told) = world.run(&["dead-letters", "replay", "2"]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["or it was sent again"]);
    agent.kill();
    let (code, told) = world.run(&["dead-letters", "replay", "--all"]);
    assert_eq!(code, Some(0), "{told}");
    assert_says(&told, &["2 sent, 0 stay"]);
    let _again = world.start();
    assert_eq!(counts(&world), (3, 0, 3));
}

#[tokio::test]
async fn kills_in_the_middle_neither_lose_nor_double_a_letter() {
    const LETTERS: usize = 120;
    let (world, mut agent) = with_unmapped(LETTERS).await;
    for round in 0..8_u64 {
        let mut replay = world.command(&["dead-letters", "replay", "--all"]);
        let replay = replay.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut replay = replay.spawn().expect("it runs");
        // Somewhere between its start and the last letter.
        tokio::time::sleep(Duration::from_millis(40 + 37 * (round * 5 % 8))).await;
        agent.kill();
        replay.wait().expect("an end");
        if round % 2 == 1 {
            // The same without the agent, and the command itself is killed.
            let mut replay = world.command(&["dead-letters", "replay", "--all"]).spawn().expect("it runs");
            tokio::time::sleep(Duration::from_millis(60)).await;
            replay.kill().expect("a kill");
            replay.wait().expect("an end");
        }
        agent = world.start();
        let (received, letters, buffered) = counts(&world);
        assert_eq!((received, letters + buffered), (LETTERS as u64, LETTERS as u64));
    }
    world.run(&["dead-letters", "replay", "--all"]);
    assert_eq!(counts(&world), (LETTERS as u64, 0, LETTERS as u64));
    let (_, told) = world.run(&["dead-letters", "ls"]);
    assert_says(&told, &["no dead letters"]);
}
