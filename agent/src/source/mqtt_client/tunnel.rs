//! TLS to a broker for a library client that speaks plain MQTT.
//!
//! ```text
//! library client ── Unix socket, this process only ── bridge ── TLS ── broker
//! ```
//!
//! The library's own TLS rests on a certificate verifier with known holes, so this is ours. The connection to the broker
//! stands before the library connects. One tunnel is one connection: when either side ends, so does the other. What
//! TLS says of a refusal is the cause of the loss; the library would only know that its socket was closed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::private_socket::PrivateSocket;
use crate::config::ClientSettings;
use crate::tls::{ClientTls, FileFault, Peer, explain, explain_handshake};

/// How long TCP and the TLS handshake may take together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the end of a connection has: for what TLS still says of it, and for saying goodbye.
const END_TIMEOUT: Duration = Duration::from_secs(2);
const CHUNK_BYTES: usize = 16 * 1024;

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub(super) enum TunnelError {
    #[error(transparent)]
    File(#[from] FileFault),
    #[error("broker cannot be reached: {0}")]
    Connect(#[source] io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("broker did not complete the TLS handshake in time")]
    Timeout,
    #[error("no private socket for tls: {0}")]
    Socket(#[source] io::Error),
    #[error("reading certificates: {0}")]
    Reading(#[from] tokio::task::JoinError),
}

/// A TLS connection to a broker, and the way to it.
#[derive(Debug)]
pub(super) struct Tunnel {
    path: String,
    bridge: JoinHandle<Option<String>>,
}

impl Tunnel {
    /// Connects to the broker, with certificates as they are on disk now.
    pub(super) async fn open(settings: &ClientSettings, tls: &ClientTls) -> Result<Self, TunnelError> {
        let files = tls.clone();
        let config = tokio::task::spawn_blocking(move || files.configure()).await??;
        let name = tls.server_name.clone();
        Self::connect(&settings.host, settings.port, name, config).await
    }

    pub(super) async fn connect(
        host: &str,
        port: u16,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> Result<Self, TunnelError> {
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, async {
            let stream = TcpStream::connect((host, port)).await.map_err(TunnelError::Connect)?;
            stream.set_nodelay(true).map_err(TunnelError::Connect)?;
            let handshake = TlsConnector::from(config).connect(name, stream).await;
            handshake.map_err(|error| TunnelError::Refused(explain_handshake(Peer::Broker, &error)))
        })
        .await
        .map_err(|_| TunnelError::Timeout)??;
        let socket = PrivateSocket::open().map_err(TunnelError::Socket)?;
        let path = socket.path().map_err(TunnelError::Socket)?.to_owned();
        Ok(Self { path, bridge: tokio::spawn(bridge(socket, stream)) })
    }

    /// Returns where the library connects to, once.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Waits for the end, once the library has closed its side; returns the broker's reason where it was the broker
    /// that ended the connection.
    pub(super) async fn close(mut self) -> Option<String> {
        match tokio::time::timeout(END_TIMEOUT * 2, &mut self.bridge).await {
            Ok(Ok(cause)) => cause,
            Ok(Err(error)) => Some(format!("tls bridge: {error}")),
            Err(_) => None,
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.bridge.abort();
    }
}

/// How one direction ended.
enum Ended {
    /// Nothing more to read, or an error in its place.
    Reading(io::Result<()>),
    /// The other end does not take it.
    Writing(io::Error),
}

/// Passes bytes between library and broker until either ends; returns why, if it was the broker.
async fn bridge(socket: PrivateSocket, broker: TlsStream<TcpStream>) -> Option<String> {
    let library = match socket.accept().await {
        Ok(stream) => stream,
        Err(error) => return Some(format!("private socket: {error}")),
    };
    // Nobody else is to connect.
    drop(socket);
    let (mut from_library, mut to_library) = library.into_split();
    let (mut from_broker, mut to_broker) = tokio::io::split(broker);
    // The branch that is dropped loses nothing that counts: its connection ends, and the broker sends again.
    let error = tokio::select! {
        ended = pass(&mut from_broker, &mut to_library) => match ended {
            Ended::Reading(Ok(())) => return Some("broker closed the connection".to_owned()),
            Ended::Reading(Err(error)) => error,
            Ended::Writing(_) => return None,
        },
        ended = pass(&mut from_library, &mut to_broker) => match ended {
            Ended::Reading(_) => {
                say_goodbye(&mut to_broker).await;
                return None;
            }
            Ended::Writing(error) => reason_of_broker(&mut from_broker).await.unwrap_or(error),
        },
    };
    Some(explain(Peer::Broker, &error))
}

async fn pass(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> Ended {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = match from.read(&mut chunk).await {
            Ok(0) => return Ended::Reading(Ok(())),
            Ok(length) => length,
            Err(error) => return Ended::Reading(Err(error)),
        };
        let written = async {
            to.write_all(&chunk[..length]).await?;
            to.flush().await
        };
        if let Err(error) = written.await {
            return Ended::Writing(error);
        }
    }
}

/// A broker that refuses says so and closes at once, which may be noticed in writing first.
async fn reason_of_broker(from_broker: &mut (impl AsyncRead + Unpin)) -> Option<io::Error> {
    let mut sink = tokio::io::sink();
    tokio::time::timeout(END_TIMEOUT, tokio::io::copy(from_broker, &mut sink)).await.ok()?.err()
}

async fn say_goodbye(to_broker: &mut (impl AsyncWrite + Unpin)) {
    let goodbye = tokio::time::timeout(END_TIMEOUT, to_broker.shutdown());
    if !matches!(goodbye.await, Ok(Ok(()))) {
        tracing::trace!("broker was gone before the goodbye");
    }
}
