//! Devices that the TLS port refuses: what they hear, what the log says, and that nobody else waits for it.

use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, Error};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tls::{TlsWorld, config_of, ended, publish};
use super::*;
use crate::tls::IdentityFiles;
use crate::tls::authority::{Authority, SERVER, Validity};

/// What this process logs.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn listen_to_log() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).finish();
        tracing::subscriber::set_global_default(subscriber).expect("the first one");
    });
}

/// Waits for the line about a peer.
async fn logged_about(peer: SocketAddr) -> String {
    let found = async {
        loop {
            let text =
                String::from_utf8_lossy(&LOG.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
            if let Some(line) = text.lines().find(|line| line.contains(&format!("peer=\"{peer}\""))) {
                return line.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, found).await.expect("a line in time")
}

/// Connects, and returns from where and what the listener said.
async fn alert_to(server: &TlsWorld, config: Arc<ClientConfig>) -> (SocketAddr, AlertDescription) {
    let stream = TcpStream::connect(server.tls_address).await.expect("a connection");
    let here = stream.local_addr().expect("an address");
    let name = ServerName::try_from(SERVER).expect("a name");
    let mut stream = TlsConnector::from(config).connect(name, stream).await.expect("our half of a handshake");
    let refused = tokio::time::timeout(SOON, stream.read_u8()).await.expect("in time").expect_err("an alert");
    let error = refused.into_inner().and_then(|inner| inner.downcast::<Error>().ok()).expect("an alert");
    let Error::AlertReceived(alert) = *error else { panic!("{error:?}") };
    (here, alert)
}

async fn is_refused(
    identity: Option<IdentityFiles>,
    authority: &Authority,
    alert: AlertDescription,
    words: &str,
) {
    listen_to_log();
    let server = TlsWorld::start(authority, |_| {}).await;
    let (here, heard) = alert_to(&server, config_of(authority, identity.clone())).await;
    assert_eq!(heard, alert);
    let line = logged_about(here).await;
    assert!(
        line.contains("WARN") && line.contains(&format!("tls connection refused peer=\"{here}\"")),
        "{line}"
    );
    assert!(line.contains(&format!("reason=\"{words}\" total=1")), "{line}");
    assert_eq!(server.world.listener.counters().tls_refused(), 1);
    for version in ["mqttv311", "mqttv5"] {
        let device = publish(server.tls_address, version, authority, identity.as_ref(), &["-m", "1"]);
        assert!(!ended(device).await.success(), "{version}");
    }
}

#[tokio::test]
async fn a_device_without_a_certificate() {
    let words = "no certificate presented by the client";
    is_refused(None, &Authority::new(), AlertDescription::CertificateRequired, words).await;
}

#[tokio::test]
async fn a_device_whose_certificate_has_expired() {
    let authority = Authority::new();
    let expired = Some(authority.client(Validity::Expired));
    let words = "client's certificate has expired (2021-01-01)";
    is_refused(expired, &authority, AlertDescription::CertificateExpired, words).await;
}

#[tokio::test]
async fn a_device_whose_certificate_is_of_a_foreign_authority() {
    let foreign = Authority::named("somebody else");
    let words = "client's certificate is signed by an unknown authority";
    is_refused(Some(foreign.client(Validity::Now)), &Authority::new(), AlertDescription::UnknownCA, words)
        .await;
}

#[tokio::test]
async fn a_device_that_does_not_trust_the_listener() {
    listen_to_log();
    let (authority, other) = (Authority::new(), Authority::named("somebody else"));
    let server = TlsWorld::start(&authority, |_| {}).await;
    let stream = TcpStream::connect(server.tls_address).await.expect("a connection");
    let here = stream.local_addr().expect("an address");
    let name = ServerName::try_from(SERVER).expect("a name");
    let refused = TlsConnector::from(config_of(&other, None)).connect(name, stream).await;
    assert!(refused.is_err());
    let line = logged_about(here).await;
    assert!(
        line.contains("client refuses our certificate: it is signed by an authority that is unknown"),
        "{line}"
    );
}

#[tokio::test]
async fn who_says_nothing_or_nonsense_at_the_tls_port_holds_up_nobody() {
    listen_to_log();
    let authority = Authority::new();
    let one_second = |settings: &mut ListenerSettings| settings.connect_timeout = Duration::from_secs(1);
    let mut server = TlsWorld::start(&authority, one_second).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(server.tls_address).await.expect("a connection"));
    }
    let mut babbling = TcpStream::connect(server.tls_address).await.expect("a connection");
    babbling.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01d").await.expect("sent");
    let babbler = babbling.local_addr().expect("an address");
    let identity = authority.client(Validity::Now);
    let device = publish(server.tls_address, "mqttv311", &authority, Some(&identity), &["-m", "1"]);
    (server.world.delivery().await.done)(Ok(()));
    assert!(ended(device).await.success());
    server.world.device(|_| {}).connected().await;
    assert!(logged_about(babbler).await.contains("client does not speak TLS here"));
    for stream in &mut silent {
        let here = stream.local_addr().expect("an address");
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("closed in time");
        assert!(closed.is_ok() && rest.is_empty());
        assert!(logged_about(here).await.contains("client did not complete the tls handshake in time"));
    }
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_handshake() {
    let authority = Authority::new();
    let patient = |settings: &mut ListenerSettings| settings.connect_timeout = Duration::from_secs(3600);
    let mut server = TlsWorld::start(&authority, patient).await;
    let silent = TcpStream::connect(server.tls_address).await.expect("a connection");
    // Who comes later is served later, so the silent one is there by then.
    let identity = authority.client(Validity::Now);
    let device = publish(server.tls_address, "mqttv311", &authority, Some(&identity), &["-m", "1"]);
    (server.world.delivery().await.done)(Ok(()));
    assert!(ended(device).await.success());
    let stopping = tokio::spawn(server.world.listener.stop());
    tokio::time::timeout(SOON, stopping).await.expect("an end in time").expect("no panic");
    drop(silent);
}
