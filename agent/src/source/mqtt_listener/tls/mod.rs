//! The TLS port: a handshake for each connection, and a word for each that fails.
//!
//! ```text
//! connection ─▶ handshake (rustls, with a deadline) ─▶ the same MQTT service as on the plain port
//!                   └─▶ alert to the device, line and counter for the operator
//! ```
//!
//! A handshake is a future of its connection alone: one that fails, or never comes, holds up nobody.

mod layer;

use std::cell::RefCell;
use std::rc::Rc;

use ntex::io::{Io, Layer, types::PeerAddr};
use ntex::time::{Millis, timeout};
use rustls::server::ServerConnection;

use super::counters::ListenerCounters;
use crate::tls::{Peer, Renewing, explain_handshake, explain_tls};
use layer::TlsLayer;

/// A connection whose handshake is done.
pub(super) type TlsIo = Io<Layer<TlsLayer>>;

/// The TLS port's door on its thread.
#[derive(Debug)]
pub(super) struct TlsDoor {
    certificates: RefCell<Renewing>,
    deadline: Millis,
    counters: std::sync::Arc<ListenerCounters>,
}

impl TlsDoor {
    pub(super) fn new(
        certificates: Renewing,
        deadline: Millis,
        counters: std::sync::Arc<ListenerCounters>,
    ) -> Rc<Self> {
        Rc::new(Self { certificates: RefCell::new(certificates), deadline, counters })
    }

    /// Does the handshake; none when it failed, which the operator has been told then.
    pub(super) async fn enter(&self, io: Io) -> Option<TlsIo> {
        let peer = io.query::<PeerAddr>().get().map(PeerAddr::into_inner);
        let entered = timeout(self.deadline, self.shake_hands(io)).await;
        let reason = match entered {
            Ok(Ok(io)) => return Some(io),
            Ok(Err(reason)) => reason,
            Err(()) => "client did not complete the tls handshake in time".to_owned(),
        };
        let total = self.counters.count_tls_refused();
        let peer = peer.map(|address| address.to_string()).unwrap_or_default();
        tracing::warn!(peer, reason, total, "tls connection refused");
        None
    }

    async fn shake_hands(&self, io: Io) -> Result<TlsIo, String> {
        let config = self.certificates.borrow_mut().current();
        let session = ServerConnection::new(config).map_err(|error| explain_tls(Peer::Client, &error))?;
        let io = io.add_filter(TlsLayer::new(session));
        while io.filter().is_handshaking() {
            let heard = io.read_notify().await.map_err(|error| explain_handshake(Peer::Client, &error))?;
            if let Some(error) = io.filter().failure() {
                // The alert, so that the device knows why.
                if io.flush(true).await.is_err() {
                    tracing::trace!("client was gone before the alert");
                }
                return Err(explain_tls(Peer::Client, &error));
            }
            if heard.is_none() {
                let gone = std::io::ErrorKind::UnexpectedEof.into();
                return Err(explain_handshake(Peer::Client, &gone));
            }
        }
        Ok(io)
    }
}
