//! MQTT 3.1.1 on the wire: handshake, messages, everything else a device may say, and how a connection ends.

use std::rc::Rc;

use ntex::service::{fn_factory_with_config, fn_service};
use ntex::time::Seconds;
use ntex::{ServiceFactory, SharedCfg};
use ntex_mqtt::Control;
use ntex_mqtt::v3::codec::Encoded;
use ntex_mqtt::v3::{Handshake, HandshakeAck, ProtocolMessage, ProtocolMessageAck, Publish, Session};

use super::IDLE_LIMIT_SECONDS;
use super::admission::Refusal;
use super::worker::{Closed, Connection, Worker, note_end};

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
                let ack = handshake.ack(connection, false);
                if keeps_alive { ack } else { ack.idle_timeout(Seconds(IDLE_LIMIT_SECONDS)) }
            }
            Err(Refusal::Credentials) => handshake.bad_username_or_pwd(),
            Err(Refusal::Full | Refusal::Stopping) => handshake.service_unavailable(),
        })
    })
}

/// Takes messages in; PUBACK, or PUBREC, follows a good answer.
pub(super) fn publish(
    worker: Rc<Worker>,
) -> impl ServiceFactory<Publish, Session<Connection>, Response = (), Error = Closed, InitError = Closed> {
    fn_factory_with_config(async move |connection: Session<Connection>| {
        let worker = Rc::clone(&worker);
        Ok(fn_service(async move |mut message: Publish| {
            let payload = message.take_payload();
            worker.take_in(&connection, message.publish_topic(), payload).await
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
            // Each topic's code is 'failure' unless it is confirmed.
            ProtocolMessage::Subscribe(subscribe) => subscribe.ack(),
            ProtocolMessage::Unsubscribe(unsubscribe) => unsubscribe.ack(),
            other => other.ack(),
        })
    })
}

/// Notes why a connection ends.
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
            Ok(None)
        }))
    })
}
