//! What the operator may write, what is refused, and that the sample file tells the truth.

use std::net::SocketAddr;
use std::path::Path;

use super::*;

const SAMPLE: &str = include_str!("../../../deploy/agent.toml");

fn faults_of(text: &str, environment: &[(&str, &str)]) -> String {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match parse(Path::new("agent.toml"), text, environment) {
        Ok(settings) => panic!("accepted: {settings:?}"),
        Err(faults) => faults.to_string(),
    }
}

fn settings_of(text: &str, environment: &[(&str, &str)]) -> Settings {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse(Path::new("agent.toml"), text, environment).expect("a good configuration")
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(settings_of("", &[]), Settings::default());
}

#[test]
fn every_fault_is_reported_at_once_with_file_line_and_key() {
    let text = "[buffer]\nquota_bytes = \"1 kilo\"\npolice = \"block\"\n[hub]\nurl = 7\n\n[[mapping]]\ntopic = \"a/{b\"\n\
                [agent]\nid = \"a/b\"\n[mqtt_listener]\nmax_inflight = 0\n";
    let faults = faults_of(text, &[]);
    let lines: Vec<&str> = faults.lines().collect();
    assert!(lines[0].starts_with("agent.toml:2: buffer.quota_bytes: must be a number of bytes"), "{faults}");
    assert_eq!(lines[1], "agent.toml:3: buffer.police: unknown key");
    assert_eq!(lines[2], "agent.toml:5: hub.url: must be a text");
    assert!(faults.contains("agent.toml:8: mapping.topic: \"{b\""), "{faults}");
    assert!(faults.contains("agent.toml:10: agent.id: "), "{faults}");
    assert!(
        faults.contains("agent.toml:12: mqtt_listener.max_inflight: must be from 1 to 10000"),
        "{faults}"
    );
}

#[test]
fn what_is_not_toml_is_reported_with_its_line() {
    let faults = faults_of("[agent]\nid = \n", &[]);
    assert!(faults.starts_with("agent.toml:2: "), "{faults}");
}

#[test]
fn the_environment_goes_before_the_file() {
    let settings = settings_of(
        "[mqtt_listener]\nlisten = \"127.0.0.1:1\"\n",
        &[
            ("PENSTOCK_AGENT__MQTT_LISTENER__LISTEN", "127.0.0.1:2"),
            ("PENSTOCK_AGENT__BUFFER__QUOTA_BYTES", "\"8 MiB\""),
            ("PENSTOCK_AGENT__FORWARD__LINGER_MS", "5"),
            ("PENSTOCK_AGENT__AGENT__ID", "gw-7"),
            ("UNRELATED", "x"),
        ],
    );
    assert_eq!(settings.mqtt_listener.listen, Some(SocketAddr::from(([127, 0, 0, 1], 2))));
    assert_eq!(settings.buffer.quota_bytes, 8 << 20);
    assert_eq!(settings.buffer.segment_bytes, 2 << 20, "a segment is never above a quarter of the quota");
    assert_eq!(settings.forward.linger.as_millis(), 5);
    assert_eq!(settings.agent.id.as_str(), "gw-7");
}

#[test]
fn a_fault_from_the_environment_names_the_variable() {
    let faults =
        faults_of("", &[("PENSTOCK_AGENT__BUFFER__POLICY", "panic"), ("PENSTOCK_AGENT__NOPE__X", "1")]);
    assert!(
        faults.contains("environment PENSTOCK_AGENT__BUFFER__POLICY: buffer.policy: must be one of"),
        "{faults}"
    );
    assert!(faults.contains("nope: unknown key"), "{faults}");
}

#[test]
fn a_username_without_a_password_is_refused() {
    let faults = faults_of("[mqtt_listener]\nusername = \"u\"\n", &[]);
    assert_eq!(faults, "agent.toml:2: mqtt_listener.username: needs a password beside it");
}

#[test]
fn shared_subscriptions_are_checked() {
    let topics = |topics: &str| format!("[[mqtt_client]]\ntopics = [{topics}]\n");
    let settings = settings_of(&topics("\"$share/plant/a/#\", \"homeassistant/#\""), &[]);
    assert_eq!(settings.mqtt_clients[0].topics.len(), 2);
    let faults = faults_of(&topics("\"$share/plant\", \"a#\""), &[]);
    assert!(
        faults.contains("agent.toml:2: mqtt_client.topics: \"$share/plant\": a shared subscription is"),
        "{faults}"
    );
    assert!(faults.contains("agent.toml:2: mqtt_client.topics: \"a#\" is no topic filter"), "{faults}");
    let faults = faults_of(&format!("{}take_retained = true\n", topics("\"$share/plant/#\"")), &[]);
    assert!(faults.contains("agent.toml:3: mqtt_client.take_retained: brokers send nothing"), "{faults}");
}

#[test]
fn a_mapping_without_a_type_or_with_an_unknown_name_is_refused() {
    let faults = faults_of("[[mapping]]\ntopic = \"a/{b}\"\nsource = \"{c}\"\n", &[]);
    assert!(faults.contains("mapping.type: is needed"), "{faults}");
    assert!(faults.contains("mapping.source: uses {c}, which the topic does not have"), "{faults}");
}

#[test]
fn rules_for_series_are_read_and_contradictions_refused() {
    let settings = settings_of(
        "[[series]]\ntype = \"temp*\"\nscale = 0.1\nmin = -40\ndeadband = 0\nmax_interval_ms = 1000\nmax_rate = 5\n\
         [[series]]\n[limits]\nseries = 10\n",
        &[],
    );
    let rule = &settings.series[0];
    assert!(rule.event_type.matches("temperature") && !rule.event_type.matches("humidity"));
    assert_eq!((rule.scale, rule.add, rule.range.clone()), (Some(0.1), None, Some(-40.0..=f64::MAX)));
    assert_eq!((rule.exception.deadband, rule.exception.deadband_percent), (Some(0.0), None));
    assert_eq!((rule.max_rate, settings.limits.series), (Some(5), Some(10)));
    assert_eq!(settings.series[1], SeriesSettings::default());
    let faults = faults_of(
        "[[series]]\nscale = 0\nmin = 2\nmax = 1\ndeadband = -1\nmin_interval_ms = 5\nmax_interval_ms = 4\n\
         [[series]]\nmax_interval_ms = 4\nmax_rate = 0\n",
        &[],
    );
    for fault in [
        "2: series.scale: must not be 0",
        "4: series.max: must not be below min",
        "5: series.deadband: must not be negative",
        "7: series.max_interval_ms: must not be below min_interval_ms",
        "9: series.max_interval_ms: needs a deadband",
        "10: series.max_rate: must be from 1 to 1000000",
    ] {
        assert!(faults.contains(fault), "{fault}: {faults}");
    }
}

#[test]
fn a_command_without_a_name_or_a_program_is_refused() {
    let faults = faults_of("[[command]]\nformat = \"binary\"\n[[command.field]]\ntype = \"a\"\n", &[]);
    for fault in ["command.name: is needed", "command.run: is needed", "2: command.format: cannot be binary"]
    {
        assert!(faults.contains(fault), "{fault}: {faults}");
    }
}

#[test]
fn a_file_that_is_named_must_exist() {
    let missing = Path::new("/nonexistent/agent.toml");
    assert!(load(Some(missing), [], Certificates::Proven).is_err());
}

#[test]
fn the_sample_configuration_is_the_defaults() {
    assert_eq!(settings_of(SAMPLE, &[]), Settings::default());
}

/// In the sample, `#key = …` is a key put out of use and `# …` is prose.
fn sample_with_everything_in_use() -> String {
    let in_use = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_owned(),
        _ => line.to_owned(),
    };
    SAMPLE.lines().map(in_use).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_configuration_shows_every_key() {
    let everything = sample_with_everything_in_use();
    let layers = Layers::of_text(Path::new("deploy/agent.toml"), &everything);
    let (settings, log) = layers.read([], Certificates::Proven);
    let keys: Vec<String> = log.known_keys().map(str::to_owned).collect();
    assert_eq!(log.into_result(vec!["deploy/agent.toml".into()], ()), Ok(()));
    assert!(!settings.mqtt_clients.is_empty() && !settings.mappings.is_empty());
    assert!(!settings.serials.is_empty() && !settings.modbus.is_empty() && !settings.commands.is_empty());
    assert!(!settings.series.is_empty());
    let mut section = String::new();
    let mut shown = std::collections::BTreeSet::new();
    for line in everything.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            shown.insert(format!("{section}.{key}"));
        }
    }
    let missing: Vec<&String> = keys.iter().filter(|key| !shown.contains(*key)).collect();
    assert!(missing.is_empty(), "deploy/agent.toml does not show {missing:?}");
}
