//! The listener: accepts connections up to a limit, times their heads out, ends them gracefully.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::config::LimitSettings;
use crate::telemetry::Telemetry;

/// How long open requests may take to finish at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait when the system has no file descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Serves `router` until `shutdown`, then lets open requests finish for ten seconds.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: LimitSettings,
    telemetry: Arc<Telemetry>,
    shutdown: CancellationToken,
) {
    let open = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let connection = Connection { stream, peer, slot, telemetry: Arc::clone(&telemetry) };
                open.spawn(connection.serve(router.clone(), limits.header_timeout, shutdown.clone()));
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(DRAIN_TIMEOUT, open.wait()).await.is_err() {
        warn!(connections = telemetry.connections.value(), "requests did not finish in time");
    }
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    slot: OwnedSemaphorePermit,
    telemetry: Arc<Telemetry>,
}

/// Waits for a free slot first, so that connections beyond the limit queue in the kernel. Cancel-safe: a permit
/// without a connection is given back.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, slot))
}

impl Connection {
    async fn serve(self, router: Router, header_timeout: Duration, shutdown: CancellationToken) {
        let Self { stream, peer, slot, telemetry } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        telemetry.connections.add(1);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            debug!(%peer, %error, "connection ended");
        }
        telemetry.connections.add(-1);
        drop(slot);
    }
}
