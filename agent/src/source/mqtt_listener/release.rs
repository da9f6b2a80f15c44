//! Completes QoS 2 handshakes of MQTT 3.1.1 that began on an earlier connection.
//!
//! A device that lost its connection after PUBREC sends PUBREL again on the next one. The library takes an unknown
//! packet id for a protocol fault and closes, and the device would come back with the same PUBREL for ever. The
//! message was durable before its PUBREC, so all that is left to say is PUBCOMP. (At MQTT 5 the library says so.)

use std::cell::RefCell;
use std::num::NonZeroU16;

use ntex::util::HashSet;
use ntex::{Middleware, Service, ServiceCtx};
use ntex_mqtt::QoS;
use ntex_mqtt::v3::codec::{Decoded, Encoded, Packet};

/// Wraps a connection's dispatcher.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForgottenReleases;

/// A connection's dispatcher, wrapped.
#[derive(Debug)]
pub(super) struct ReleaseService<S> {
    dispatcher: S,
    /// QoS 2 messages of this connection that are not yet released; the in-flight limit bounds them.
    open: RefCell<HashSet<NonZeroU16>>,
}

impl<S, C> Middleware<S, C> for ForgottenReleases {
    type Service = ReleaseService<S>;

    fn create(&self, dispatcher: S, _: C) -> Self::Service {
        ReleaseService { dispatcher, open: RefCell::default() }
    }
}

impl<S> Service<Decoded> for ReleaseService<S>
where
    S: Service<Decoded, Response = Option<Encoded>>,
{
    type Response = Option<Encoded>;
    type Error = S::Error;

    async fn call(&self, request: Decoded, ctx: ServiceCtx<'_, Self>) -> Result<Self::Response, Self::Error> {
        match &request {
            Decoded::Publish(publish, ..) if publish.qos == QoS::ExactlyOnce => {
                self.open.borrow_mut().extend(publish.packet_id);
            }
            Decoded::Packet(Packet::PublishRelease { packet_id }, _)
                if !self.open.borrow_mut().remove(packet_id) =>
            {
                return Ok(Some(Encoded::Packet(Packet::PublishComplete { packet_id: *packet_id })));
            }
            _ => {}
        }
        ctx.call(&self.dispatcher, request).await
    }

    ntex::forward_ready!(dispatcher);
    ntex::forward_poll!(dispatcher);
    ntex::forward_shutdown!(dispatcher);
}
