//! Which certificates an operator may name, and what is said of those that cannot serve.

use std::path::Path;

use crate::config::{Certificates, Layers, Settings, parse};
use crate::tls::authority::{Authority, Validity};
use crate::tls::{ClientAuthority, IdentityFiles};

fn settings_of(text: &str) -> Settings {
    parse(Path::new("agent.toml"), text, []).expect("a good configuration")
}

fn faults_of(text: &str) -> Vec<String> {
    match parse(Path::new("agent.toml"), text, []) {
        Ok(settings) => panic!("accepted: {settings:?}"),
        Err(faults) => faults.to_string().lines().map(str::to_owned).collect(),
    }
}

fn layers(text: &str) -> Layers {
    Layers::of_text(Path::new("agent.toml"), text)
}

fn identity(files: &IdentityFiles) -> String {
    format!("certificate = {:?}\nkey = {:?}\n", files.certificate, files.key)
}

fn client(url: &str, tls: &str) -> String {
    format!("[[mqtt_client]]\nurl = \"{url}\"\n[mqtt_client.tls]\n{tls}")
}

#[test]
fn a_client_takes_its_brokers_name_from_the_address_unless_told_otherwise() {
    let authority = Authority::new();
    let own = authority.client(Validity::Now);
    let tls = format!("ca = {:?}\n{}", authority.ca(), identity(&own));
    let settings = settings_of(&client("mqtts://broker.plant", &tls));
    assert_eq!(settings.mqtt_clients[0].port, 8883);
    let chosen = settings.mqtt_clients[0].tls.as_ref().expect("tls");
    assert_eq!(chosen.server_name.to_str(), "broker.plant");
    assert_eq!((chosen.ca.as_ref(), chosen.identity.as_ref()), (Some(&authority.ca()), Some(&own)));
    let settings = settings_of(&client("mqtts://10.0.0.7:8884", &format!("{tls}server_name = \"broker\"\n")));
    assert_eq!(settings.mqtt_clients[0].port, 8884);
    assert_eq!(settings.mqtt_clients[0].tls.as_ref().expect("tls").server_name.to_str(), "broker");
}

#[test]
fn a_listener_may_serve_tls_beside_its_plain_port_or_alone() {
    let authority = Authority::new();
    let own = authority.server(Validity::Now);
    let tls = format!(
        "[mqtt_listener.tls]\nlisten = \"0.0.0.0:8883\"\n{}client_ca = {:?}\nclient_certificates = \"required\"\n",
        identity(&own),
        authority.ca()
    );
    let settings = settings_of(&tls);
    assert!(settings.mqtt_listener.listen.is_some());
    let files = settings.mqtt_listener.tls.expect("tls").files;
    assert_eq!(files.identity, own);
    assert_eq!(files.clients, Some(ClientAuthority { ca: authority.ca(), is_required: true }));
    let alone = settings_of(&format!("[mqtt_listener]\nlisten = \"\"\n{tls}"));
    assert!(alone.mqtt_listener.listen.is_none() && alone.mqtt_listener.tls.is_some());
}

#[test]
fn a_listener_without_any_port_is_refused() {
    let faults = faults_of("[mqtt_listener]\nlisten = \"\"\n");
    assert!(
        faults[0].starts_with("agent.toml:2: mqtt_listener.listen: is empty, and tls has no port"),
        "{faults:?}"
    );
}

#[test]
fn every_file_that_cannot_serve_is_named_at_once_with_its_cause() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (expired, own) = (authority.server(Validity::Expired), authority.client(Validity::Now));
    let garbled = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&garbled, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .expect("a file");
    let text = format!(
        "[mqtt_listener.tls]\nlisten = \"0.0.0.0:8883\"\n{}client_ca = {:?}\nclient_certificates = \"optional\"\n\
         [[mqtt_client]]\nurl = \"mqtts://broker\"\n[mqtt_client.tls]\nca = \"/nowhere/ca.pem\"\n{}",
        identity(&expired),
        garbled.path(),
        identity(&IdentityFiles {
            certificate: own.certificate.clone(),
            key: other.client(Validity::Now).key
        }),
    );
    let faults = faults_of(&text);
    assert_eq!(
        faults[0],
        format!(
            "agent.toml:3: mqtt_listener.tls.certificate: {}: has expired (2021-01-01)",
            expired.certificate.display()
        )
    );
    assert!(
        faults[1].starts_with("agent.toml:5: mqtt_listener.tls.client_ca: ")
            && faults[1].contains(" is garbled: "),
        "{faults:?}"
    );
    assert!(
        faults[2]
            .starts_with("agent.toml:10: mqtt_client.tls.ca: /nowhere/ca.pem: cannot be read: No such file"),
        "{faults:?}"
    );
    assert!(
        faults[3].starts_with("agent.toml:12: mqtt_client.tls.key: ")
            && faults[3]
                .ends_with(&format!("does not belong to the certificate in {}", own.certificate.display())),
        "{faults:?}"
    );
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn a_file_without_what_is_looked_for_is_refused() {
    let authority = Authority::new();
    let own = authority.client(Validity::Now);
    let swapped = IdentityFiles { certificate: own.key, key: own.certificate };
    let faults =
        faults_of(&client("mqtts://broker", &format!("ca = {:?}\n{}", authority.ca(), identity(&swapped))));
    assert!(faults[0].ends_with("holds no certificate in PEM form"), "{faults:?}");
    assert!(faults[1].ends_with("holds no private key that is not encrypted in PEM form"), "{faults:?}");
}

#[test]
fn halves_are_refused() {
    let authority = Authority::new();
    let own = authority.server(Validity::Now);
    let ca = format!("ca = {:?}\n", authority.ca());
    for (text, fault) in [
        (
            client("mqtts://b", &format!("{ca}certificate = {:?}\n", own.certificate)),
            ":5: mqtt_client.tls.certificate: needs a key",
        ),
        (
            client("mqtts://b", &format!("{ca}key = {:?}\n", own.key)),
            ":5: mqtt_client.tls.key: needs a certificate",
        ),
        (client("mqtt://b", &ca), ":4: mqtt_client.tls.ca: is used with a url that begins with mqtts://"),
        (
            client("mqtts://b", &format!("{ca}server_name = \"a b\"\n")),
            ":5: mqtt_client.tls.server_name: \"a b\" is no DNS name",
        ),
        (
            "[mqtt_listener.tls]\nlisten = \"0.0.0.0:1\"\n".to_owned(),
            ":2: mqtt_listener.tls.listen: needs certificate and key",
        ),
        (
            format!("[mqtt_listener.tls]\n{}", identity(&own)),
            ":2: mqtt_listener.tls.certificate: needs listen",
        ),
        (
            "[mqtt_listener.tls]\nclient_certificates = \"required\"\n".to_owned(),
            ":2: mqtt_listener.tls.client_certificates: needs client_ca",
        ),
        (
            format!("[mqtt_listener.tls]\nclient_ca = {:?}\n", authority.ca()),
            ":2: mqtt_listener.tls.client_ca: needs client_certificates",
        ),
    ] {
        let faults = faults_of(&text);
        assert!(faults.len() == 1 && faults[0].contains(fault), "{faults:?}\n{text}");
    }
}

#[test]
fn certificates_are_not_looked_into_where_only_the_books_are_wanted() {
    let tls = "ca = \"/nowhere/ca.pem\"\ncertificate = \"/nowhere/c\"\nkey = \"/nowhere/k\"\n";
    let (settings, log) = layers(&client("mqtts://broker", tls)).read([], Certificates::Trusted);
    assert_eq!(log.into_result(vec!["agent.toml".into()], ()), Ok(()));
    assert!(settings.mqtt_clients[0].tls.is_some());
}

#[test]
fn a_certificate_that_is_not_valid_yet_may_be_the_clocks_fault_and_stands() {
    let authority = Authority::new();
    let tls = format!("ca = {:?}\n{}", authority.ca(), identity(&authority.client(Validity::NotYet)));
    assert!(settings_of(&client("mqtts://broker", &tls)).mqtt_clients[0].tls.is_some());
}

#[test]
fn a_certificate_that_has_expired_does_not_keep_the_agent_from_running() {
    let authority = Authority::new();
    let tls = format!("ca = {:?}\n{}", authority.ca(), identity(&authority.client(Validity::Expired)));
    let (settings, log) = layers(&client("mqtts://broker", &tls)).read([], Certificates::Running);
    assert_eq!(log.into_result(vec!["agent.toml".into()], ()), Ok(()));
    assert!(settings.mqtt_clients[0].tls.is_some());
    assert!(faults_of(&client("mqtts://broker", &tls))[0].contains("has expired"));
}
