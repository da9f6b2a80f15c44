//! MQTT 5 on the wire: handshake, messages, everything else a device may say, and how a connection ends.

use std::rc::Rc;

use ntex::service::{fn_factory_with_config, fn_service};
use ntex::{ServiceFactory, SharedCfg};
use ntex_mqtt::v5::codec::{
    ConnectAckReason, Disconnect, DisconnectReasonCode, Encoded, Packet, SubscribeAckReason,
};
use ntex_mqtt::v5::{
    Handshake, HandshakeAck, ProtocolMessage, ProtocolMessageAck, Publish, PublishAck, Session,
};
use ntex_mqtt::{Control, Reason};

use super::IDLE_LIMIT_SECONDS;
use super::admission::Refusal;
use super::worker::{Closed, Connection, Worker, note_end};

/// A PUBACK with an error code would tell the device that its message is dealt with, so there is none: the
/// connection closes and the device sends again.
impl TryFrom<Closed> for PublishAck {
    type Error = Closed;
    fn try_from(closed: Closed) -> Result<Self, Closed> {
        Err(closed)
    }
}

/// Answers CONNECT.
pub(super) fn handshake(
    worker: Rc<Worker>,
) -> impl ServiceFactory<Handshake, SharedCfg, Response = HandshakeAck<Connection>, Error = Closed, InitError = ()>
{
    fn_service(async move |handshake: Handshake| {
        let connect = handshake.packet();
        let keeps_alive = connect.keep_alive != 0;
        let username = connect.username.as_ref().map(AsRef::as_ref);
        let admitted = worker.admit(&connect.client_id, username, connect.password.as_deref());
        Ok(match admitted {
            Ok(connection) => {
                let ack = handshake.ack(connection);
                if keeps_alive { ack } else { ack.keep_alive(IDLE_LIMIT_SECONDS) }
            }
            Err(Refusal::Credentials) => handshake.failed(ConnectAckReason::BadUserNameOrPassword),
            Err(Refusal::Full) => handshake.failed(ConnectAckReason::ServerBusy),
            Err(Refusal::Stopping) => handshake.failed(ConnectAckReason::ServerUnavailable),
        })
    })
}

/// Takes messages in; PUBACK, or PUBREC, follows a good answer.
pub(super) fn publish(
    worker: Rc<Worker>,
) -> impl ServiceFactory<Publish, Session<Connection>, Response = PublishAck, Error = Closed, InitError = Closed>
{
    fn_factory_with_config(async move |connection: Session<Connection>| {
        let worker = Rc::clone(&worker);
        Ok(fn_service(async move |mut message: Publish| {
            let payload = message.take_payload();
            worker.take_in(&connection, message.publish_topic(), payload).await?;
            Ok(message.ack())
        }))
    })
}

/// Answers what is neither CONNECT nor PUBLISH. A SUBSCRIBE fails topic by topic: nothing is handed out here.
pub(super) fn protocol() -> impl ServiceFactory<
    ProtocolMessage,
    Session<Connection>,
    Response = ProtocolMessageAck,
    Error = Closed,
    InitError = (),
> {
    fn_service(async |message: ProtocolMessage| {
        Ok(match message {
            ProtocolMessage::Subscribe(mut subscribe) => {
                for mut subscription in &mut subscribe {
                    subscription.fail(SubscribeAckReason::NotAuthorized);
                }
                subscribe.ack_reason("this is no broker: it only takes messages in".into()).ack()
            }
            other => other.ack(),
        })
    })
}

/// Notes why a connection ends, and tells the device.
pub(super) fn control() -> impl ServiceFactory<
    Control<Closed>,
    Session<Connection>,
    Response = Option<Encoded>,
    Error = Closed,
    InitError = Closed,
> {
    fn_factory_with_config(async |connection: Session<Connection>| {
        Ok(fn_service(async move |control: Control<Closed>| {
            note_end(&connection, &control);
            Ok(match control {
                Control::Stop(Reason::Error(_)) => Some(farewell(DisconnectReasonCode::ServerBusy)),
                _ => None,
            })
        }))
    })
}

fn farewell(reason_code: DisconnectReasonCode) -> Encoded {
    Packet::from(Disconnect { reason_code, ..Disconnect::default() }).into()
}
