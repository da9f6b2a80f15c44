//! Every way in which TLS is refused, and the word for it that the log gets.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use super::tls::{TlsBroker, client_tls};
use super::*;
use crate::tls::authority::{Authority, SERVER, Validity};
use crate::tls::{ClientTls, IdentityFiles, read_authorities};

/// Returns a link, and what it runs by.
fn link(broker: &Broker, adjust: impl FnOnce(&mut ClientSettings)) -> (Link, watch::Sender<bool>) {
    let mut settings = ClientSettings { port: broker.port, ..ClientSettings::default() };
    adjust(&mut settings);
    let decoder = Decoder::new(&AgentId::new("gw").expect("an id"), true, Arc::from([]));
    let intake = Intake::new(decoder, CommitHandle::over(mpsc::channel(1).0));
    let (stop, stopping) = watch::channel(false);
    (Link::new(settings, "penstock-gw".to_owned(), intake, stopping), stop)
}

/// Returns the reason of the first connection that the broker takes part in.
async fn refusal(server: &TlsBroker, version: MqttVersion, tls: &ClientTls) -> String {
    let use_tls = server.settings(tls);
    let (mut link, _stop) = link(&server.broker, |settings| {
        settings.version = version;
        use_tls(settings);
    });
    let refused = async {
        loop {
            match run_connection(&mut link).await {
                ConnectionEnd::Lost(error) if error.starts_with("broker cannot be reached") => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                ConnectionEnd::Lost(error) => return error,
                end => panic!("{end:?}"),
            }
        }
    };
    tokio::time::timeout(SOON, refused).await.expect("a refusal in time")
}

async fn both_versions_say(server: &TlsBroker, tls: &ClientTls, words: &str) {
    for version in [MqttVersion::V311, MqttVersion::V5] {
        assert_eq!(refusal(server, version, tls).await, words, "{version:?}");
    }
}

#[tokio::test]
async fn a_brokers_certificate_that_has_expired() {
    let authority = Authority::new();
    let server = TlsBroker::start(&authority.server(Validity::Expired), &authority);
    let tls = client_tls(&authority, Some(authority.client(Validity::Now)));
    both_versions_say(&server, &tls, "broker's certificate has expired (2021-01-01)").await;
}

#[tokio::test]
async fn a_brokers_certificate_that_is_not_valid_yet_and_what_our_clock_says() {
    let authority = Authority::new();
    let server = TlsBroker::start(&authority.server(Validity::NotYet), &authority);
    let tls = client_tls(&authority, Some(authority.client(Validity::Now)));
    let words = refusal(&server, MqttVersion::V311, &tls).await;
    let clock = "broker's certificate is not valid before 2119-01-01; this machine's clock says 20";
    assert!(words.starts_with(clock), "{words}");
}

#[tokio::test]
async fn a_brokers_certificate_of_a_foreign_authority() {
    let (authority, foreign) = (Authority::new(), Authority::named("somebody else"));
    let server = TlsBroker::start(&foreign.server(Validity::Now), &authority);
    let tls = client_tls(&authority, Some(authority.client(Validity::Now)));
    both_versions_say(&server, &tls, "broker's certificate is signed by an unknown authority").await;
}

#[tokio::test]
async fn a_brokers_certificate_of_an_authority_that_borrows_a_known_name() {
    let (authority, impostor) = (Authority::new(), Authority::new());
    let server = TlsBroker::start(&impostor.server(Validity::Now), &authority);
    let tls = client_tls(&authority, Some(authority.client(Validity::Now)));
    let words = "broker's certificate is signed by an unknown authority, or one that only has the name of a known one";
    both_versions_say(&server, &tls, words).await;
}

#[tokio::test]
async fn a_brokers_certificate_for_another_name() {
    let authority = Authority::new();
    let server = TlsBroker::start(&authority.server(Validity::Now), &authority);
    let mut tls = client_tls(&authority, Some(authority.client(Validity::Now)));
    tls.server_name = ServerName::try_from("broker.plant").expect("a name");
    let words = "broker's certificate is not valid for the name broker.plant, but for localhost";
    both_versions_say(&server, &tls, words).await;
}

#[tokio::test]
async fn no_certificate_where_the_broker_demands_one() {
    let authority = Authority::new();
    let server = TlsBroker::start(&authority.server(Validity::Now), &authority);
    both_versions_say(&server, &client_tls(&authority, None), "broker demands a client certificate").await;
}

#[tokio::test]
async fn our_certificate_of_an_authority_that_the_broker_does_not_know() {
    let (authority, foreign) = (Authority::new(), Authority::named("somebody else"));
    let server = TlsBroker::start(&authority.server(Validity::Now), &authority);
    let tls = client_tls(&authority, Some(foreign.client(Validity::Now)));
    let words = "broker refuses our certificate: it is signed by an authority that is unknown there";
    both_versions_say(&server, &tls, words).await;
}

#[tokio::test]
async fn our_certificate_that_has_expired_is_found_before_the_broker_is_asked() {
    let authority = Authority::new();
    let server = TlsBroker::start(&authority.server(Validity::Now), &authority);
    let expired = authority.client(Validity::Expired);
    let words = format!("{}: has expired (2021-01-01)", expired.certificate.display());
    both_versions_say(&server, &client_tls(&authority, Some(expired)), &words).await;
}

/// As on a gateway whose clock is late.
fn shows_an_expired_certificate(authority: &Authority, expired: &IdentityFiles) -> Arc<ClientConfig> {
    let chain = CertificateDer::pem_file_iter(&expired.certificate).expect("a file");
    let chain = chain.collect::<Result<_, _>>().expect("certificates");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(read_authorities(&authority.ca()).expect("an authority"))
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&expired.key).expect("a key"));
    Arc::new(config.expect("a configuration"))
}

#[tokio::test]
async fn our_certificate_that_has_expired_by_the_brokers_clock() {
    let authority = Authority::new();
    let server = TlsBroker::start(&authority.server(Validity::Now), &authority);
    let config = shows_an_expired_certificate(&authority, &authority.client(Validity::Expired));
    // The port is there once a certificate is demanded at it.
    refusal(&server, MqttVersion::V311, &client_tls(&authority, None)).await;
    for version in [MqttVersion::V311, MqttVersion::V5] {
        let (mut link, _stop) = link(&server.broker, |settings| settings.version = version);
        let name = ServerName::try_from(SERVER).expect("a name");
        let tunnel =
            Tunnel::connect(SERVER, server.tls_port, name, Arc::clone(&config)).await.expect("a tunnel");
        let end = speak(&mut link, Some(&tunnel)).await;
        assert!(matches!(end, ConnectionEnd::Lost(_)), "{end:?}");
        let cause = tunnel.close().await;
        let words = "broker refuses our certificate: it has expired, or a clock is wrong";
        assert_eq!(cause.as_deref(), Some(words), "{version:?}");
    }
}

#[tokio::test]
async fn a_port_without_tls() {
    let authority = Authority::new();
    let mut server = TlsBroker::start(&authority.server(Validity::Now), &authority);
    server.tls_port = server.broker.port;
    let words = refusal(&server, MqttVersion::V311, &client_tls(&authority, None)).await;
    let expected = "broker closed the connection during the TLS handshake; does it speak TLS on this port?";
    assert_eq!(words, expected);
}

#[tokio::test]
async fn a_broker_that_says_nothing_does_not_hold_up_the_end() {
    let authority = Authority::new();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let broker = Broker::start();
    let world = World::start(&broker, |settings| {
        settings.port = port;
        settings.tls = Some(client_tls(&authority, None));
    });
    let connection = tokio::time::timeout(SOON, silent.accept()).await.expect("in time");
    tokio::time::timeout(tunnel::CONNECT_TIMEOUT / 2, world.client.stop(SOON)).await.expect("an end in time");
    drop(connection);
}
