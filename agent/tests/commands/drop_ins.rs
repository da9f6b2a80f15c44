//! Drop-ins beside the configuration: every command has them.

use crate::world::{World, assert_says};

#[tokio::test]
async fn a_drop_in_goes_before_the_file_and_check_names_what_was_read() {
    let world = World::new();
    let dir = world.dir.path().join("agent.d");
    std::fs::create_dir(&dir).expect("a directory");
    std::fs::write(dir.join("20-id.toml"), "[agent]\nid = \"other\"\n").expect("a file");
    let agent = world.start();
    agent.take([("plant/press", "1".to_owned())]).await;
    let (_, told) = world.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(status["agent"], "other", "{told}");
    let (code, told) = world.run(&["check", "--config-only"]);
    assert_eq!(code, Some(0), "{told}");
    assert_says(&told, &["/agent.toml\n✓ ", "/agent.d/20-id.toml\n", "✓ agent other sends to "]);
    std::fs::write(dir.join("30-bad.toml"), "\n[hub]\nurl = 7\n").expect("a file");
    for words in [&["check"][..], &["status"], &["run"]] {
        let (code, told) = world.run(words);
        assert_eq!(code, Some(78), "{words:?}: {told}");
        assert_says(&told, &["/agent.d/30-bad.toml:3: hub.url: must be a text"]);
    }
}

#[test]
fn a_secret_in_a_drop_in_that_everybody_may_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let dir = world.dir.path().join("agent.d");
    std::fs::create_dir(&dir).expect("a directory");
    let file = dir.join("10-token.toml");
    std::fs::write(&file, "[hub]\ntoken = \"x\"\n").expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("permissions");
    let (_, told) = world.run(&["check"]);
    assert_says(&told, &["agent.d/10-token.toml holds the hub's token and is readable by everybody"]);
}
