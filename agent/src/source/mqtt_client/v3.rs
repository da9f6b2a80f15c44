//! MQTT 3.1.1: one connection, from CONNECT to its end.

use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode,
    Transport,
};
use tokio::time::Instant;

use super::link::{ConnectionEnd, Link};
use super::tunnel::Tunnel;
use super::{LEAVE_TIMEOUT, REQUEST_QUEUE};

/// This version cannot tell a broker what is too large for us, and a packet that the library refuses comes again with
/// every connection. So the library takes what may reasonably come, and what is above the configured limit becomes a
/// dead letter.
const MIN_PACKET_LIMIT: usize = 16 << 20;
/// Only a device is asked something here.
const MAX_OUTGOING_PACKET: usize = 64 * 1024;

/// Runs one connection with a library client of its own.
pub(super) async fn run_connection(link: &mut Link, tunnel: Option<&Tunnel>) -> ConnectionEnd {
    let (client, mut events) = AsyncClient::new(options(link, tunnel), REQUEST_QUEUE);
    let stop_requested = link.stop_requested();
    let not_committed = link.a_message_not_committed();
    let deadline = tokio::time::sleep(Duration::ZERO);
    tokio::pin!(stop_requested, not_committed, deadline);
    let mut is_connected = false;
    let mut leaving = None;
    link.begin_connection();
    loop {
        let event = {
            // Kept across the other branches: a poll dropped half done can lose the acknowledgement it was writing.
            let polled = poll(&mut events);
            tokio::pin!(polled);
            loop {
                let end = tokio::select! {
                    event = &mut polled => break event,
                    () = &mut not_committed, if leaving.is_none() => ConnectionEnd::NotCommitted,
                    () = &mut stop_requested, if leaving.is_none() => ConnectionEnd::Stopped,
                    () = &mut deadline, if leaving.is_some() => return leaving.unwrap_or(ConnectionEnd::Stopped),
                };
                if !is_connected {
                    return end;
                }
                link.begin_leaving();
                if matches!(end, ConnectionEnd::Stopped) {
                    leave_groups(link, &client);
                }
                disconnect_when_drained(link, client.clone());
                deadline.as_mut().reset(Instant::now() + LEAVE_TIMEOUT);
                leaving = Some(end);
            }
        };
        match event {
            Ok(Event::Incoming(packet)) => {
                is_connected |= matches!(packet, Packet::ConnAck(_));
                if let Err(error) = apply(link, &client, packet).await {
                    return ConnectionEnd::Lost(error);
                }
            }
            Ok(Event::Outgoing(_)) => {}
            // When leaving, it is the broker that closes, having read the last acknowledgement and DISCONNECT.
            Err(error) => return leaving.unwrap_or(ConnectionEnd::Lost(error)),
        }
    }
}

fn options(link: &Link, tunnel: Option<&Tunnel>) -> MqttOptions {
    let settings = &link.settings;
    let host = tunnel.map_or(settings.host.as_str(), Tunnel::path);
    let mut options = MqttOptions::new(link.client_id.clone(), host, settings.port);
    if tunnel.is_some() {
        options.set_transport(Transport::Unix);
    }
    let max_packet = usize::try_from(settings.max_packet_bytes).unwrap_or(usize::MAX).max(MIN_PACKET_LIMIT);
    options
        .set_clean_session(!settings.leaves_traces)
        .set_manual_acks(true)
        .set_keep_alive(settings.keep_alive);
    options.set_max_packet_size(max_packet, MAX_OUTGOING_PACKET);
    if let Some((username, password)) = &settings.credentials {
        options.set_credentials(username.clone(), password.clone());
    }
    options
}

async fn poll(events: &mut EventLoop) -> Result<Event, String> {
    events.poll().await.map_err(|error| error.to_string())
}

async fn apply(link: &mut Link, client: &AsyncClient, packet: Packet) -> Result<(), String> {
    match packet {
        Packet::ConnAck(ack) if link.must_subscribe(ack.session_present) => {
            let qos = if link.settings.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let filters = link.settings.topics.iter().map(|topic| SubscribeFilter::new(topic.clone(), qos));
            client.try_subscribe_many(filters).map_err(|error| format!("subscribe: {error}"))?;
        }
        Packet::SubAck(ack) => {
            let refused = ack
                .return_codes
                .iter()
                .enumerate()
                .filter(|(_, code)| **code == SubscribeReasonCode::Failure);
            refused.for_each(|(position, _)| link.note_refused_subscription(position));
        }
        Packet::Publish(message) => take_in(link, client, message).await,
        _ => {}
    }
    Ok(())
}

async fn take_in(link: &mut Link, client: &AsyncClient, mut message: Publish) {
    let payload = std::mem::take(&mut message.payload);
    let retained = message.retain;
    let topic = message.topic.clone();
    let acknowledging = client.clone();
    let acknowledge = move || {
        if acknowledging.try_ack(&message).is_err() {
            tracing::debug!("connection gone before its acknowledgement, the broker sends again");
        }
    };
    link.take_in(&topic, &payload, retained, acknowledge).await;
    for ask in link.take_asks() {
        if client.try_publish(ask.topic, QoS::AtMostOnce, false, ask.payload).is_err() {
            tracing::debug!("a device could not be asked, it is asked again");
        }
    }
}

/// Not before the agent itself stops: until then the broker keeps for this member what it gives it.
fn leave_groups(link: &Link, client: &AsyncClient) {
    for filter in link.groups_to_leave() {
        if client.try_unsubscribe(filter).is_err() {
            tracing::debug!("connection gone before its group was left");
        }
    }
}

/// DISCONNECT stands behind the last acknowledgement in the connection's queue.
fn disconnect_when_drained(link: &Link, client: AsyncClient) {
    let drained = link.drained();
    tokio::spawn(async move {
        drained.await;
        if client.try_disconnect().is_err() {
            tracing::debug!("connection gone before its end");
        }
    });
}
