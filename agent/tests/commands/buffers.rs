//! `buffer`: listed, verified, exported, sent again and repaired, whole and damaged.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::world::{World, assert_says};

fn numbers(count: usize) -> impl Iterator<Item = (&'static str, String)> {
    (0..count).map(|number| {
        ("plant/press", format!("{{\"value\": {number}, \"time\": {}}}", 1_700_000_000 + number))
    })
}

fn buffered(world: &World) -> u64 {
    let (_, told) = world.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(status["balanced"].as_bool(), Some(true), "{told}");
    status["counts"]["buffered"].as_u64().expect("a count")
}

fn export(world: &World, words: &[&str]) -> Vec<String> {
    let mut all = vec!["buffer", "export"];
    all.extend(words);
    let output = world.command(&all).output().expect("it runs");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

fn path_of(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn segment_file(world: &World) -> PathBuf {
    let segments = std::fs::read_dir(world.buffer().join("segments")).expect("segments");
    let mut files: Vec<_> = segments.flatten().map(|entry| entry.path().join("db")).collect();
    files.sort();
    files.remove(0)
}

#[tokio::test]
async fn the_buffer_is_listed_verified_and_exported_while_the_agent_runs_and_when_it_does_not() {
    let world = World::new();
    let agent = world.start();
    agent.take(numbers(300)).await;
    let mut agent = Some(agent);
    for running in [true, false] {
        let (code, told) = world.run(&["buffer", "ls"]);
        assert_eq!(code, Some(0), "running {running}: {told}");
        assert_says(&told, &["300", "active"]);
        let (code, told) = world.run(&["buffer", "verify"]);
        assert_eq!(code, Some(0), "running {running}: {told}");
        assert_says(&told, &["✓ segment 1: ", "with 300 readings read back, 0 commits do not"]);
        assert_eq!(export(&world, &[]).len(), 300);
        let span = ["--from", "2023-11-14T22:13:30Z", "--to", "2023-11-14T22:13:32Z"];
        let lines = export(&world, &span);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_says(&lines[0], &["\"time\":1700000010000000", "\"value\":10"]);
        let (code, told) = world.run(&["buffer", "repair"]);
        assert_eq!(code, Some(if running { 1 } else { 0 }), "{told}");
        assert_says(&told, &[if running { "stop it first" } else { "✓ opened" }]);
        if let Some(agent) = agent.take() {
            agent.kill();
        }
    }
}

#[tokio::test]
async fn an_export_is_taken_in_once() {
    let world = World::new();
    let other = World::new();
    let agent = world.start();
    agent.take(numbers(1200)).await;
    let file = world.dir.path().join("export.ndjson");
    let (code, told) = world.run(&["buffer", "export", "-o", path_of(&file)]);
    assert_eq!(code, Some(0), "{told}");
    let _running = other.start();
    let (code, told) = other.run(&["buffer", "replay", path_of(&file)]);
    assert_eq!(code, Some(0), "{told}");
    assert_says(&told, &["1200 readings taken in, 0 had been before"]);
    let (code, told) = other.run(&["buffer", "replay", path_of(&file)]);
    assert_eq!(code, Some(1), "{told}");
    assert_says(&told, &["0 readings taken in, 1200 had been before", "--again"]);
    assert_eq!(buffered(&other), 1200);
    assert_eq!(export(&other, &[]), export(&world, &[]));
    let (code, told) = other.run(&["buffer", "replay", path_of(&file), "--again"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(buffered(&other), 2400);
}

#[tokio::test]
async fn a_file_with_a_bad_line_is_not_taken_in_at_all() {
    let world = World::new();
    let agent = world.start();
    agent.take(numbers(2)).await;
    let mut lines = export(&world, &[]);
    lines.push("{\"series\": 1}".to_owned());
    let file = world.dir.path().join("bad.ndjson");
    std::fs::write(&file, lines.join("\n")).expect("a file");
    let (code, told) = world.run(&["buffer", "replay", path_of(&file)]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["line 3"]);
    assert_eq!(buffered(&world), 2);
}

#[tokio::test]
async fn kills_in_the_middle_of_a_replay_neither_lose_nor_double() {
    let world = World::new();
    let source = World::new();
    let agent = source.start();
    agent.take(numbers(20_000)).await;
    let file = source.dir.path().join("export.ndjson");
    source.run(&["buffer", "export", "-o", path_of(&file)]);
    let mut agent = world.start();
    for round in 0..6_u64 {
        let mut replay = world.command(&["buffer", "replay", path_of(&file)]).spawn().expect("it runs");
        tokio::time::sleep(std::time::Duration::from_millis(120 + 41 * (round * 3 % 7))).await;
        agent.kill();
        replay.wait().expect("an end");
        agent = world.start();
    }
    world.run(&["buffer", "replay", path_of(&file)]);
    assert_eq!(buffered(&world), 20_000);
    let (mut here, mut there) = (export(&world, &[]), export(&source, &[]));
    here.sort();
    there.sort();
    assert!(here == there, "the same readings");
}

#[tokio::test]
async fn damage_is_told_with_where_and_what_reads_back_is_exported() {
    let world = World::new();
    let agent = world.start();
    for _ in 0..40 {
        agent.take(numbers(50)).await;
    }
    agent.kill();
    let path = segment_file(&world);
    let file = std::fs::File::options().write(true).open(&path).expect("a file");
    let middle = file.metadata().expect("its length").len() / 2;
    file.write_all_at(&[0xA5; 4096], middle.min(40_000)).expect("damage");
    let (code, told) = world.run(&["buffer", "verify"]);
    assert_eq!(code, Some(1), "{told}");
    assert_says(&told, &["✗ ", "damaged"]);
    let (_, listed) = world.run(&["buffer", "ls"]);
    if let Some(name) = listed.lines().find_map(|line| line.strip_prefix("set aside: ")) {
        let name = name.split(' ').next().expect("a name");
        let (_, told) = world.run(&["buffer", "export", "--quarantined", name]);
        assert!(!told.contains("panicked"), "{told}");
    }
    let (_, told) = world.run(&["buffer", "repair"]);
    assert_says(&told, &["✓ opened"]);
    let _agent = world.start();
    // What is gone is counted.
    let on_disk = export(&world, &[]).len() as u64;
    assert!(on_disk <= 2000 && on_disk == buffered(&world), "{on_disk}");
}

#[tokio::test]
async fn what_is_intact_of_a_damaged_segment_waits_for_the_hub_and_is_exported_from_the_quarantine() {
    let world = World::new();
    let agent = world.start();
    // One message a commit: what damage hits is a few of them.
    agent.take(numbers(1000)).await;
    agent.kill();
    let whole = export(&world, &[]);
    let path = segment_file(&world);
    let file = std::fs::File::options().write(true).open(&path).expect("a file");
    file.write_all_at(&[0xA5; 2048], 20_000).expect("damage");
    std::fs::write(path.with_file_name("conf"), b"no settings").expect("more damage");
    let (code, told) = world.run(&["buffer", "verify"]);
    assert_eq!(code, Some(1), "{told}");
    assert_says(&told, &["✗ segment 1 was damaged, ", " are saved", "✗ set aside earlier"]);
    let saved = export(&world, &[]);
    assert!(saved.iter().all(|line| whole.contains(line)), "nothing else");
    assert!(saved.len() > whole.len() / 2, "{} of {}", saved.len(), whole.len());
    let (_, listed) = world.run(&["buffer", "ls"]);
    let name = listed.lines().find_map(|line| line.strip_prefix("set aside: ")).expect("a quarantine");
    let name = name.split(' ').next().expect("a name");
    // Twice: to look changes nothing.
    for _ in 0..2 {
        assert_eq!(export(&world, &["--quarantined", name]), saved);
    }
    let _agent = world.start();
    assert_eq!(saved.len() as u64, buffered(&world));
}

#[tokio::test]
async fn damage_behind_the_snapshot_is_told_by_its_commits() {
    let world = World::new();
    let agent = world.start();
    for _ in 0..40 {
        agent.take(numbers(50)).await;
    }
    agent.stop();
    // Opened once more, sled knows all of it from its snapshot, and reads the log no more.
    world.run(&["buffer", "ls"]);
    let path = segment_file(&world);
    let file = std::fs::File::options().write(true).open(&path).expect("a file");
    let end = file.metadata().expect("its length").len();
    file.write_all_at(&vec![0xA5; usize::try_from(end - 4096).expect("small")], 4096).expect("damage");
    let (code, told) = world.run(&["buffer", "verify"]);
    assert_eq!(code, Some(1), "{told}");
    assert_says(&told, &["✗ "]);
    assert!(told.lines().count() < 40, "{told}");
    assert!(!told.contains("panicked"), "{told}");
    let (code, _) = world.run(&["buffer", "export"]);
    assert!(code.is_some());
}

#[test]
fn where_there_is_no_buffer_it_is_said_and_none_is_made() {
    let world = World::new();
    for words in [&["buffer", "ls"][..], &["buffer", "verify"], &["dead-letters", "ls"], &["status"]] {
        let (code, told) = world.run(words);
        assert_eq!(code, Some(1), "{words:?}: {told}");
        assert_says(&told, &["no buffer in "]);
    }
    assert!(!world.buffer().exists());
}

#[tokio::test]
async fn somebody_else_may_not_look_into_the_buffer_and_root_leaves_no_file_of_its_own() {
    let world = World::new();
    let agent = world.start();
    agent.take(numbers(3)).await;
    agent.kill();
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    std::fs::set_permissions(world.buffer(), std::fs::Permissions::from_mode(0o750)).expect("permissions");
    let Some((code, told)) = world.run_as_nobody(&["buffer", "ls"]) else { return };
    assert_eq!(code, Some(1), "{told}");
    assert_says(&told, &["is owned by root: run this as that user or as root"]);
    give_to_nobody(&world.buffer());
    let (code, told) = world.run(&["buffer", "verify"]);
    assert_eq!(code, Some(0), "{told}");
    let file = world.dir.path().join("one.ndjson");
    std::fs::write(&file, "{\"series\":{\"type\":\"t\",\"source\":\"s\"},\"time\":1,\"value\":1}\n")
        .expect("a file");
    let (code, told) = world.run(&["buffer", "replay", path_of(&file)]);
    assert_eq!(code, Some(0), "{told}");
    let own: Vec<_> = below(&world.buffer())
        .into_iter()
        .filter(|path| path.symlink_metadata().is_ok_and(|data| data.uid() == 0))
        .collect();
    assert!(own.is_empty(), "{own:?}");
}

fn below(path: &Path) -> Vec<PathBuf> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("entries").flatten();
        entries.for_each(|entry| paths.extend(below(&entry.path())));
    }
    paths
}

fn give_to_nobody(path: &Path) {
    for path in below(path) {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).expect("given");
    }
}
