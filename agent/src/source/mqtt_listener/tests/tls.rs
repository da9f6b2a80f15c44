//! Mosquitto's client with and without certificates at the TLS port.

use std::io::Write as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::TlsListenerSettings;
use crate::tls::authority::{Authority, SERVER, Validity};
use crate::tls::{ClientAuthority, IdentityFiles, ServerTls, read_authorities};

/// A listener with both ports; its TLS port demands certificates that `authority` signed.
pub(super) struct TlsWorld {
    pub(super) world: World,
    pub(super) tls_address: SocketAddr,
}

impl TlsWorld {
    pub(super) async fn start(authority: &Authority, adjust: impl FnOnce(&mut ListenerSettings)) -> Self {
        let files = ServerTls {
            identity: authority.server(Validity::Now),
            clients: Some(ClientAuthority { ca: authority.ca(), is_required: true }),
        };
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let tls_address = socket.local_addr().expect("an address");
        let world = World::start_with(Some(socket), |settings| {
            settings.tls = Some(TlsListenerSettings { listen: tls_address, files });
            adjust(settings);
        });
        Self { world: world.await, tls_address }
    }
}

/// What a device of ours brings.
pub(super) fn config_of(authority: &Authority, identity: Option<IdentityFiles>) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(read_authorities(&authority.ca()).expect("an authority"));
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = CertificateDer::pem_file_iter(&files.certificate).expect("a file");
            let chain = chain.collect::<Result<_, _>>().expect("certificates");
            let key = PrivateKeyDer::from_pem_file(&files.key).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("a configuration")
        }
    })
}

/// Starts Mosquitto's client, which ends when its messages are acknowledged.
pub(super) fn publish(
    address: SocketAddr,
    version: &str,
    authority: &Authority,
    identity: Option<&IdentityFiles>,
    message: &[&str],
) -> Child {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", SERVER, "-p", &address.port().to_string(), "-V", version, "-q", "1"]);
    command.args(["-t", "plant/press/temperature", "--cafile"]).arg(authority.ca());
    if let Some(identity) = identity {
        command.arg("--cert").arg(&identity.certificate).arg("--key").arg(&identity.key);
    }
    command.args(message).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("mosquitto_pub, which these tests need: Debian's package mosquitto-clients")
}

pub(super) async fn ended(mut device: Child) -> ExitStatus {
    let waiting = tokio::task::spawn_blocking(move || device.wait());
    tokio::time::timeout(SOON, waiting).await.expect("in time").expect("no panic").expect("it ends")
}

async fn with_a_certificate_a_message_is_acknowledged_when_it_is_durable(version: &str) {
    let authority = Authority::new();
    let mut server = TlsWorld::start(&authority, |_| {}).await;
    let identity = authority.client(Validity::Now);
    let mut device = publish(server.tls_address, version, &authority, Some(&identity), &["-m", "21.5"]);
    let delivery = server.world.delivery().await;
    assert_eq!(delivery.readings[0].value, Value::Number(21.5));
    tokio::time::sleep(A_WHILE).await;
    assert!(device.try_wait().expect("its state").is_none(), "acknowledged before it was durable");
    (delivery.done)(Ok(()));
    assert!(ended(device).await.success());
}

#[tokio::test]
async fn at_3_1_1_with_a_certificate_a_message_is_acknowledged_when_it_is_durable() {
    with_a_certificate_a_message_is_acknowledged_when_it_is_durable("mqttv311").await;
}

#[tokio::test]
async fn at_5_with_a_certificate_a_message_is_acknowledged_when_it_is_durable() {
    with_a_certificate_a_message_is_acknowledged_when_it_is_durable("mqttv5").await;
}

#[tokio::test]
async fn the_plain_port_serves_beside_the_tls_port() {
    let authority = Authority::new();
    let server = TlsWorld::start(&authority, |_| {}).await;
    server.world.device(|_| {}).connected().await;
}

#[tokio::test]
async fn many_messages_and_a_large_one_pass_through_tls() {
    let authority = Authority::new();
    let mut server = TlsWorld::start(&authority, |_| {}).await;
    let identity = authority.client(Validity::Now);
    let mut device = publish(server.tls_address, "mqttv5", &authority, Some(&identity), &["-l"]);
    let mut lines = device.stdin.take().expect("its input");
    let large = format!("\"{}\"\n", "x".repeat(200_000));
    let writing = std::thread::spawn(move || {
        (0..2_000).try_for_each(|number| writeln!(lines, "{number}"))?;
        lines.write_all(large.as_bytes())
    });
    for number in 0..2_000 {
        let delivery = server.world.delivery().await;
        assert_eq!(delivery.readings[0].value, Value::Number(f64::from(number)));
        (delivery.done)(Ok(()));
    }
    let delivery = server.world.delivery().await;
    assert_eq!(delivery.readings.len() + delivery.dead_letters.len(), 1);
    (delivery.done)(Ok(()));
    writing.join().expect("no panic").expect("written");
    assert!(ended(device).await.success());
}

#[tokio::test]
async fn what_came_in_one_piece_with_the_goodbye_is_taken() {
    let authority = Authority::new();
    let mut server = TlsWorld::start(&authority, |_| {}).await;
    let stream = tokio::net::TcpStream::connect(server.tls_address).await.expect("a connection");
    let config = config_of(&authority, Some(authority.client(Validity::Now)));
    let name = ServerName::try_from(SERVER).expect("a name");
    let mut stream = TlsConnector::from(config).connect(name, stream).await.expect("a handshake");
    stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01d").await.expect("sent");
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await.expect("CONNACK");
    let (mut stream, mut session) = stream.into_inner();
    let publish_and_disconnect = b"\x30\x06\x00\x03a/b7\xe0\x00";
    session.writer().write_all(publish_and_disconnect).expect("taken");
    session.send_close_notify();
    let mut piece = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut piece).expect("taken");
    }
    stream.write_all(&piece).await.expect("sent");
    let delivery = server.world.delivery().await;
    assert_eq!(delivery.readings[0].value, Value::Number(7.0));
    (delivery.done)(Ok(()));
    let mut rest = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("closed in time").expect("closed");
}

#[tokio::test]
async fn where_a_certificate_is_optional_none_is_needed_but_a_bad_one_is_refused() {
    let (authority, foreign) = (Authority::new(), Authority::named("somebody else"));
    let optional = |settings: &mut ListenerSettings| {
        let clients = settings.tls.as_mut().and_then(|tls| tls.files.clients.as_mut());
        clients.expect("an authority").is_required = false;
    };
    let mut server = TlsWorld::start(&authority, optional).await;
    let device = publish(server.tls_address, "mqttv311", &authority, None, &["-m", "1"]);
    (server.world.delivery().await.done)(Ok(()));
    assert!(ended(device).await.success());
    let bad = foreign.client(Validity::Now);
    let device = publish(server.tls_address, "mqttv311", &authority, Some(&bad), &["-m", "1"]);
    assert!(!ended(device).await.success());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let (authority, renewed) = (Authority::new(), Authority::named("renewed"));
    let mut server = TlsWorld::start(&authority, |_| {}).await;
    let identity = authority.client(Validity::Now);
    let before = publish(server.tls_address, "mqttv311", &renewed, Some(&identity), &["-m", "1"]);
    assert!(!ended(before).await.success());
    let (shown, new) = (authority.server(Validity::Now), renewed.server(Validity::Now));
    std::fs::copy(new.certificate, shown.certificate).expect("a file");
    std::fs::copy(new.key, shown.key).expect("a file");
    let after = publish(server.tls_address, "mqttv311", &renewed, Some(&identity), &["-m", "1"]);
    (server.world.delivery().await.done)(Ok(()));
    assert!(ended(after).await.success());
}
