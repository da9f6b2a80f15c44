//! Tests of the configuration as a whole.

use super::document::Document;
use super::*;

const SAMPLE: &str = include_str!("../../../deploy/hub.toml");

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Settings, Faults> {
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Settings::parse("hub.toml", text, environment)
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(parse("", &[]), Ok(Settings::default()));
}

#[test]
fn the_sample_file_shows_every_key_with_its_default() {
    assert_eq!(parse(SAMPLE, &[]), Ok(Settings::default()));
    let mut document = Document::empty();
    Settings::read(&mut document);
    for key in document.known_keys() {
        let (table, name) = key.rsplit_once('.').expect("every key stands in a table");
        let body = SAMPLE.split(&format!("[{table}]\n")).nth(1).unwrap_or_default();
        let body = body.split("\n[").next().unwrap_or_default();
        let shown = body.lines().any(|line| line.split('=').next().is_some_and(|left| left.trim() == name));
        assert!(shown, "deploy/hub.toml does not show {key}");
    }
}

#[test]
fn all_faults_are_reported_together_with_file_line_and_key() {
    let text = "[http]\nlisten = \"nowhere\"\nport = 1\n\n[limits]\nburst = 0.0\n\n[nonsense]\nkey = 1\n";
    let faults = parse(text, &[]).expect_err("four faults");
    let found: Vec<_> = faults.iter().map(|fault| (fault.place.as_str(), fault.key.as_str())).collect();
    let expected = [
        ("hub.toml:2", "http.listen"),
        ("hub.toml:3", "http.port"),
        ("hub.toml:6", "limits.burst"),
        ("hub.toml:8", "nonsense"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_file_that_is_no_toml_is_one_fault_with_its_line() {
    let faults = parse("[http]\nlisten = = 3\n", &[]).expect_err("no TOML");
    assert_eq!(faults.iter().map(|fault| fault.place.as_str()).collect::<Vec<_>>(), ["hub.toml:2"]);
}

#[test]
fn the_environment_overrides_the_file() {
    let environment = [
        ("PENSTOCK_HUB__HTTP__LISTEN", "127.0.0.1:0"),
        ("PENSTOCK_HUB__MONGODB__MANAGED__CACHE_MB", "512"),
        ("PENSTOCK_HUB__MONGODB__DATABASE", "plant"),
        ("PENSTOCK_HUB__HTTP__ALLOWED_ORIGINS", "[\"https://example.com\"]"),
    ];
    let settings = parse("[mongodb]\ndatabase = \"file\"\n", &environment).expect("valid");
    assert_eq!(settings.http.listen.port(), 0);
    assert_eq!(settings.mongodb.managed.cache_mb, 512);
    assert_eq!(settings.mongodb.database, "plant");
    assert_eq!(settings.http.allowed_origins, ["https://example.com"]);
}

#[test]
fn a_fault_of_the_environment_names_the_variable() {
    let faults = parse("", &[("PENSTOCK_HUB__LIMITS__BURST", "many")]).expect_err("no number");
    let fault = faults.iter().next().expect("one fault");
    assert_eq!(fault.place, "environment variable PENSTOCK_HUB__LIMITS__BURST");
}
