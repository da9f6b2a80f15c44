//! A Mosquitto that demands certificates, and the agent with a good one.

use rustls::pki_types::ServerName;

use super::*;
use crate::tls::authority::{Authority, SERVER, Validity};
use crate::tls::{ClientTls, IdentityFiles};

/// A broker with a plain port for its devices and one for TLS.
pub(super) struct TlsBroker {
    pub(super) broker: Broker,
    pub(super) tls_port: u16,
}

impl TlsBroker {
    /// Starts one that demands certificates which `devices` signed.
    pub(super) fn start(own: &IdentityFiles, devices: &Authority) -> Self {
        let tls_port = free_port();
        let lines = format!(
            "listener {tls_port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
            devices.ca().display(),
            own.certificate.display(),
            own.key.display()
        );
        Self { broker: Broker::start_with(free_port(), &lines), tls_port }
    }

    pub(super) fn settings(&self, tls: &ClientTls) -> impl Fn(&mut ClientSettings) + use<> {
        let (tls, port) = (tls.clone(), self.tls_port);
        move |settings| {
            settings.host = SERVER.to_owned();
            settings.port = port;
            settings.tls = Some(tls.clone());
        }
    }
}

pub(super) fn client_tls(authority: &Authority, identity: Option<IdentityFiles>) -> ClientTls {
    let server_name = ServerName::try_from(SERVER).expect("a name");
    ClientTls { ca: Some(authority.ca()), identity, server_name }
}

async fn with_certificates_what_is_not_durable_comes_again(version: MqttVersion) {
    let authority = Authority::new();
    let server = TlsBroker::start(&authority.server(Validity::Now), &authority);
    let use_tls = server.settings(&client_tls(&authority, Some(authority.client(Validity::Now))));
    what_is_not_durable_comes_again_and_what_is_does_not(&server.broker, |settings| {
        settings.version = version;
        use_tls(settings);
    })
    .await;
}

#[tokio::test]
async fn at_3_1_1_with_certificates_what_is_not_durable_comes_again() {
    with_certificates_what_is_not_durable_comes_again(MqttVersion::V311).await;
}

#[tokio::test]
async fn at_5_with_certificates_what_is_not_durable_comes_again() {
    with_certificates_what_is_not_durable_comes_again(MqttVersion::V5).await;
}

#[tokio::test]
async fn many_and_large_messages_pass_through_tls() {
    let authority = Authority::new();
    let server = TlsBroker::start(&authority.server(Validity::Now), &authority);
    let use_tls = server.settings(&client_tls(&authority, Some(authority.client(Validity::Now))));
    let mut world = World::start(&server.broker, |settings| {
        use_tls(settings);
        settings.max_packet_bytes = 1 << 20;
    });
    server.broker.until_subscribed(&mut world).await;
    let text = format!("\"{}\"", "x".repeat(300_000));
    for number in 0..20 {
        server.broker.publish("a/b", false, number.to_string()).await;
        server.broker.publish("a/text", false, text.clone()).await;
    }
    for number in 0..20 {
        (world.expect_number(f64::from(number)).await.done)(Ok(()));
        let large = world.delivery().await;
        assert_eq!(large.dead_letters.len() + large.readings.len(), 1);
        (large.done)(Ok(()));
    }
    world.client.stop(DRAIN_TIMEOUT * 2).await;
    let mut again = World::start(&server.broker, use_tls);
    again.expect_nothing().await;
}

#[tokio::test]
async fn a_renewed_certificate_serves_with_the_next_connection() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let server = TlsBroker::start(&authority.server(Validity::Now), &authority);
    let identity = foreign.client(Validity::Now);
    let use_tls = server.settings(&client_tls(&authority, Some(identity.clone())));
    let mut world = World::start(&server.broker, use_tls);
    server.broker.publish("a/b", false, "1").await;
    world.expect_nothing().await;
    let renewed = authority.client(Validity::Now);
    std::fs::copy(renewed.certificate, identity.certificate).expect("a file");
    std::fs::copy(renewed.key, identity.key).expect("a file");
    server.broker.until_subscribed(&mut world).await;
}
