//! What a drop-in changes, adds and takes away, and that a fault names the file that said it.

use std::os::unix::fs::PermissionsExt;

use super::*;

const MAIN: &str = "[hub]\nurl = \"http://main:1\"\ntoken = \"main\"\n[mqtt_listener]\nmax_inflight = 9\n\
                    [[mapping]]\ntopic = \"a/{b}\"\ntype = \"first\"\nsource = \"{b}\"\n";

/// A directory with `agent.toml` and its drop-ins.
fn written(drop_ins: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("agent.toml"), MAIN).expect("a file");
    std::fs::create_dir(dir.path().join("agent.d")).expect("a directory");
    for (name, text) in drop_ins {
        std::fs::write(dir.path().join("agent.d").join(name), text).expect("a file");
    }
    dir
}

fn found(dir: &tempfile::TempDir) -> Layers {
    Layers::find(Some(&dir.path().join("agent.toml"))).expect("readable files")
}

fn settings_of(dir: &tempfile::TempDir) -> Settings {
    found(dir).settings([], Certificates::Proven).expect("a good configuration")
}

fn faults_of(dir: &tempfile::TempDir) -> String {
    let faults = found(dir).settings([], Certificates::Proven).expect_err("faults").to_string();
    faults.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn a_later_drop_in_goes_before_an_earlier_one_and_both_before_the_file_key_by_key() {
    let dir = written(&[
        ("20-b.toml", "[hub]\nurl = \"http://b:1\"\n"),
        (
            "10-a.toml",
            "[hub]\nurl = \"http://a:1\"\ntoken = \"a\"\n[mqtt_listener]\nlisten = \"127.0.0.1:7\"\n",
        ),
    ]);
    let settings = settings_of(&dir);
    assert_eq!((settings.hub.url.as_str(), settings.hub.token.as_deref()), ("http://b:1", Some("a")));
    assert_eq!(settings.mqtt_listener.max_inflight, 9);
    assert_eq!(settings.mqtt_listener.listen.map(|listen| listen.port()), Some(7));
    let environment = [("PENSTOCK_AGENT__HUB__URL".to_owned(), "http://e:1".to_owned())];
    let settings = found(&dir).settings(environment, Certificates::Proven).expect("a good configuration");
    assert_eq!(settings.hub.url, "http://e:1");
}

#[test]
fn lists_of_tables_are_appended_other_lists_replace_and_an_empty_one_takes_away() {
    let more = "[[mapping]]\ntopic = \"c/{d}\"\ntype = \"second\"\nsource = \"{d}\"\n[decode]\ndialects = [\"shelly\"]\n";
    let dir = written(&[("10-more.toml", more), ("20-words.toml", "[decode]\ndialects = [\"senml\"]\n")]);
    let settings = settings_of(&dir);
    assert_eq!(settings.mappings.len(), 2);
    assert_eq!(settings.decode.dialects.len(), 1);
    std::fs::write(dir.path().join("agent.d/30-none.toml"), "mapping = []\n").expect("a file");
    assert_eq!(settings_of(&dir).mappings.len(), 0);
}

#[test]
fn faults_name_the_file_and_line_that_said_it_in_the_order_of_files() {
    let dir = written(&[
        ("10-a.toml", "\n[hub]\nurl = 5\n[[mapping]]\ntopic = \"a/{b}\"\n"),
        ("20-b.toml", "hub = 7\n[log]\n\nlevle = \"info\"\n"),
    ]);
    let faults = faults_of(&dir);
    let lines: Vec<_> = faults.lines().collect();
    assert!(lines[0].starts_with("agent.d/10-a.toml:4: mapping.type: is needed"), "{faults}");
    assert!(faults.contains("agent.d/20-b.toml:1: hub: must be a table, is an integer"), "{faults}");
    assert!(faults.contains("agent.d/20-b.toml:4: log.levle: unknown key"), "{faults}");
    std::fs::write(dir.path().join("agent.d/10-a.toml"), "[agent]\nid = \n").expect("a file");
    assert!(faults_of(&dir).starts_with("agent.d/10-a.toml:2: "), "{}", faults_of(&dir));
}

#[test]
fn copies_that_editors_and_packages_leave_are_not_read_and_what_cannot_be_read_is_told() {
    let dir = written(&[(".10-a.toml", "x"), ("10-a.toml~", "x"), ("10-a.toml.dpkg-old", "x")]);
    assert_eq!(found(&dir).files().count(), 1);
    std::fs::create_dir(dir.path().join("agent.d/10-dir.toml")).expect("a directory");
    let faults = Layers::find(Some(&dir.path().join("agent.toml"))).expect_err("a fault").to_string();
    assert!(faults.contains("agent.d/10-dir.toml: cannot be read: "), "{faults}");
}

#[test]
fn a_drop_in_that_is_not_there_yet_takes_its_place_by_name() {
    let dir =
        written(&[("10-a.toml", "[hub]\nurl = \"http://a:1\"\n"), ("90-z.toml", "[hub]\ntoken = \"z\"\n")]);
    let path = dir.path().join("agent.d/50-new.toml");
    let layers = found(&dir).with_drop_in(&path, "[hub]\nurl = \"http://new:1\"\ntoken = \"new\"\n");
    let settings = layers.settings([], Certificates::Proven).expect("a good configuration");
    assert_eq!((settings.hub.url.as_str(), settings.hub.token.as_deref()), ("http://new:1", Some("z")));
    let last = dir.path().join("agent.d/99-new.toml");
    let settings =
        found(&dir).with_drop_in(&last, "[hub]\ntoken = \"new\"\n").settings([], Certificates::Proven);
    assert_eq!(settings.expect("a good configuration").hub.token.as_deref(), Some("new"));
}

#[test]
fn a_token_file_of_somebody_elses_keeps_nobody_from_looking() {
    let dir = written(&[]);
    let token = dir.path().join("token");
    std::fs::write(&token, "secret\n").expect("a file");
    let text = format!("[hub]\ntoken = \"\"\ntoken_file = {token:?}\n");
    std::fs::write(dir.path().join("agent.d/10-a.toml"), text).expect("a file");
    let settings = settings_of(&dir);
    assert_eq!(
        (settings.hub.token.as_deref(), settings.hub.token_file.as_ref()),
        (Some("secret"), Some(&token))
    );
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o000)).expect("permissions");
    // Root may read everything.
    if std::fs::read(&token).is_err() {
        assert!(found(&dir).settings([], Certificates::Trusted).is_ok());
        assert!(faults_of(&dir).contains("hub.token_file: cannot be read: "));
    }
}
