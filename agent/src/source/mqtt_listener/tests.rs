//! Spoken to by real MQTT clients, with the test in the committer's place.

mod refused;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use penstock_shared::id::AgentId;
use penstock_shared::reading::Value;
use rumqttc::v5::mqttbytes::v5 as wire5;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;
use crate::delivery::{Delivery, NotCommitted};

const SOON: Duration = Duration::from_secs(10);
/// Long enough for an acknowledgement that must not come to have come.
const A_WHILE: Duration = Duration::from_millis(200);

/// A listener whose committer is the test.
struct World {
    listener: MqttListener,
    address: SocketAddr,
    deliveries: mpsc::Receiver<Delivery>,
}

impl World {
    async fn start(adjust: impl FnOnce(&mut ListenerSettings)) -> Self {
        Self::start_with(None, adjust).await
    }

    async fn start_with(tls: Option<TcpListener>, adjust: impl FnOnce(&mut ListenerSettings)) -> Self {
        let mut settings = ListenerSettings::default();
        adjust(&mut settings);
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("an address");
        let doors = Doors { plain: Some(socket), tls };
        let (queue, deliveries) = mpsc::channel(100);
        let agent = AgentId::new("gw").expect("an id");
        let make_decoder = move || Decoder::new(&agent, true, Arc::from([]));
        let listener = MqttListener::start(doors, settings, make_decoder, CommitHandle::over(queue)).await;
        Self { listener: listener.expect("a listener"), address, deliveries }
    }

    async fn delivery(&mut self) -> Delivery {
        tokio::time::timeout(SOON, self.deliveries.recv()).await.expect("in time").expect("a delivery")
    }

    fn device(&self, adjust: impl FnOnce(&mut MqttOptions)) -> Device {
        let mut options = MqttOptions::new("device", self.address.ip().to_string(), self.address.port());
        options.set_max_packet_size(1 << 20, 1 << 20);
        adjust(&mut options);
        let (client, events) = AsyncClient::new(options, 10);
        Device { client, events }
    }
}

/// A 3.1.1 device.
struct Device {
    client: AsyncClient,
    events: EventLoop,
}

impl Device {
    /// Returns the next packet that the listener sends.
    async fn next(&mut self) -> Result<Packet, ConnectionError> {
        tokio::time::timeout(SOON, async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await? {
                    return Ok(packet);
                }
            }
        })
        .await
        .expect("a packet or an error in time")
    }

    async fn connected(mut self) -> Self {
        assert!(matches!(self.next().await, Ok(Packet::ConnAck(_))));
        self
    }

    async fn publish(&self, qos: QoS, payload: impl Into<Vec<u8>>) {
        self.client.publish("plant/press/temperature", qos, false, payload).await.expect("a request");
    }

    /// Says nothing for a while but to send what is queued.
    async fn hears_nothing_for(&mut self, time: Duration) {
        let heard = tokio::time::timeout(time, self.next()).await;
        assert!(heard.is_err(), "heard {heard:?}");
    }
}

#[tokio::test]
async fn a_message_is_acknowledged_when_it_is_durable_and_not_before() {
    let mut world = World::start(|_| {}).await;
    let mut device = world.device(|_| {}).connected().await;
    device.publish(QoS::AtLeastOnce, "21.5").await;
    device.hears_nothing_for(A_WHILE).await;
    let delivery = world.delivery().await;
    assert_eq!(delivery.readings[0].value, Value::Number(21.5));
    assert_eq!(delivery.readings[0].series.to_string(), "temperature@gw/plant/press");
    (delivery.done)(Ok(()));
    assert!(matches!(device.next().await, Ok(Packet::PubAck(ack)) if ack.pkid == 1));
}

#[tokio::test]
async fn a_message_that_cannot_be_made_durable_closes_the_connection() {
    let mut world = World::start(|_| {}).await;
    let mut device = world.device(|_| {}).connected().await;
    device.publish(QoS::AtLeastOnce, "1").await;
    device.hears_nothing_for(A_WHILE).await;
    (world.delivery().await.done)(Err(NotCommitted::BufferFull));
    assert!(device.next().await.is_err());
}

#[tokio::test]
async fn a_delivery_that_is_dropped_counts_as_not_durable() {
    let mut world = World::start(|_| {}).await;
    let mut device = world.device(|_| {}).connected().await;
    device.publish(QoS::AtLeastOnce, "1").await;
    device.hears_nothing_for(A_WHILE).await;
    drop(world.delivery().await);
    assert!(device.next().await.is_err());
}

#[tokio::test]
async fn qos_2_is_taken_once_and_its_handshake_completed() {
    let mut world = World::start(|_| {}).await;
    let mut device = world.device(|_| {}).connected().await;
    device.publish(QoS::ExactlyOnce, "1").await;
    device.hears_nothing_for(A_WHILE).await;
    (world.delivery().await.done)(Ok(()));
    assert!(matches!(device.next().await, Ok(Packet::PubRec(_))));
    assert!(matches!(device.next().await, Ok(Packet::PubComp(_))));
    assert!(world.deliveries.try_recv().is_err());
}

#[tokio::test]
async fn a_qos_2_handshake_of_an_earlier_connection_is_completed() {
    let world = World::start(|_| {}).await;
    let mut stream = tokio::net::TcpStream::connect(world.address).await.expect("a connection");
    let connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01d";
    let release_of_unknown_packet_7 = b"\x62\x02\x00\x07";
    stream.write_all(&[connect.as_slice(), release_of_unknown_packet_7].concat()).await.expect("sent");
    let mut answer = [0; 8];
    tokio::time::timeout(SOON, stream.read_exact(&mut answer)).await.expect("in time").expect("an answer");
    assert_eq!(&answer, b"\x20\x02\x00\x00\x70\x02\x00\x07", "CONNACK, then PUBCOMP of 7");
}

#[tokio::test]
async fn what_cannot_be_decoded_is_delivered_as_a_dead_letter_and_acknowledged() {
    let mut world = World::start(|_| {}).await;
    let mut device = world.device(|_| {}).connected().await;
    for (payload, reason) in [("{\"value\":", "bad_json"), ("", "empty_payload")] {
        device.publish(QoS::AtLeastOnce, payload).await;
        device.hears_nothing_for(A_WHILE).await;
        let delivery = world.delivery().await;
        assert_eq!(delivery.dead_letters[0].reason, reason);
        (delivery.done)(Ok(()));
        assert!(matches!(device.next().await, Ok(Packet::PubAck(_))));
    }
}

#[tokio::test]
async fn a_subscription_is_refused_topic_by_topic_and_an_unsubscription_answered() {
    let world = World::start(|_| {}).await;
    let mut device = world.device(|_| {}).connected().await;
    device.client.subscribe("#", QoS::AtLeastOnce).await.expect("a request");
    let Ok(Packet::SubAck(ack)) = device.next().await else { panic!("no SUBACK") };
    assert_eq!(ack.return_codes, [rumqttc::SubscribeReasonCode::Failure]);
    device.client.unsubscribe("#").await.expect("a request");
    assert!(matches!(device.next().await, Ok(Packet::UnsubAck(_))));
}

#[tokio::test]
async fn only_the_right_password_connects() {
    let world = World::start(|settings| settings.credentials = Some(("plant".into(), "secret".into()))).await;
    let mut stranger = world.device(|options| {
        options.set_credentials("plant", "wrong");
    });
    let refused = stranger.next().await;
    assert!(
        matches!(refused, Err(ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword))),
        "{refused:?}"
    );
    let friend = world.device(|options| {
        options.set_credentials("plant", "secret");
    });
    friend.connected().await;
}

#[tokio::test]
async fn an_oversized_packet_closes_its_connection_and_no_other() {
    let mut world = World::start(|settings| settings.max_packet_bytes = 2048).await;
    let mut neighbour = world.device(|_| {}).connected().await;
    let mut device = world.device(|_| {}).connected().await;
    device.publish(QoS::AtLeastOnce, vec![b'1'; 100_000]).await;
    assert!(device.next().await.is_err());
    assert_eq!(world.listener.counters().oversized(), 1);
    neighbour.publish(QoS::AtLeastOnce, "1").await;
    neighbour.hears_nothing_for(A_WHILE).await;
    (world.delivery().await.done)(Ok(()));
    assert!(matches!(neighbour.next().await, Ok(Packet::PubAck(_))));
}

#[tokio::test]
async fn more_connections_than_the_limit_are_refused_until_one_ends() {
    let world = World::start(|settings| settings.max_connections = 1).await;
    let first = world.device(|_| {}).connected().await;
    let mut second = world.device(|_| {});
    assert!(matches!(
        second.next().await,
        Err(ConnectionError::ConnectionRefused(ConnectReturnCode::ServiceUnavailable))
    ));
    assert_eq!(world.listener.counters().refused(), 1);
    drop(first);
    let connected = async { while second.next().await.is_err() {} };
    tokio::time::timeout(SOON, connected).await.expect("a place becomes free");
}

#[tokio::test]
async fn a_device_above_the_rate_limit_is_delayed_and_loses_nothing() {
    let mut world = World::start(|settings| settings.max_messages_per_second = 20).await;
    let mut device = world.device(|_| {}).connected().await;
    let sender = device.client.clone();
    tokio::spawn(async move {
        for _ in 0..24 {
            sender.publish("a/b", QoS::AtLeastOnce, false, "1").await.expect("a request");
        }
    });
    let started = std::time::Instant::now();
    let committer = async {
        for _ in 0..24 {
            (world.deliveries.recv().await.expect("a delivery").done)(Ok(()));
        }
    };
    let acknowledged = async {
        let mut count = 0;
        while count < 24 {
            count += usize::from(matches!(device.next().await, Ok(Packet::PubAck(_))));
        }
    };
    tokio::join!(committer, acknowledged);
    assert!(started.elapsed() >= Duration::from_millis(150), "four above the burst wait 50 ms each");
}

#[tokio::test]
async fn stopping_lets_the_acknowledgements_under_way_go_out() {
    let mut world = World::start(|_| {}).await;
    let mut device = world.device(|_| {}).connected().await;
    device.publish(QoS::AtLeastOnce, "1").await;
    device.hears_nothing_for(A_WHILE).await;
    let delivery = world.delivery().await;
    let stopping = tokio::spawn(world.listener.stop());
    device.hears_nothing_for(A_WHILE).await;
    (delivery.done)(Ok(()));
    assert!(matches!(device.next().await, Ok(Packet::PubAck(_))));
    tokio::time::timeout(SOON, stopping).await.expect("in time").expect("no panic");
}

#[tokio::test]
async fn mqtt_5_is_served_on_the_same_port() {
    let mut world = World::start(|_| {}).await;
    let mut options =
        rumqttc::v5::MqttOptions::new("device5", world.address.ip().to_string(), world.address.port());
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 10);
    let mut next = async || loop {
        match tokio::time::timeout(SOON, events.poll()).await.expect("in time").expect("a connection") {
            rumqttc::v5::Event::Incoming(packet) => return packet,
            rumqttc::v5::Event::Outgoing(Outgoing::Publish(_)) => {
                (world.delivery().await.done)(Ok(()));
            }
            rumqttc::v5::Event::Outgoing(_) => {}
        }
    };
    let wire5::Packet::ConnAck(connected) = next().await else { panic!("no CONNACK") };
    let properties = connected.properties.expect("properties");
    assert_eq!((properties.receive_max, properties.max_packet_size), (Some(100), Some(256 * 1024)));
    let at_least_once = rumqttc::v5::mqttbytes::QoS::AtLeastOnce;
    client.publish("a/b", at_least_once, false, "true").await.expect("a request");
    let wire5::Packet::PubAck(ack) = next().await else { panic!("no PUBACK") };
    assert_eq!(ack.reason, wire5::PubAckReason::Success);
    client.subscribe("#", at_least_once).await.expect("a request");
    let wire5::Packet::SubAck(refused) = next().await else { panic!("no SUBACK") };
    assert_eq!(refused.return_codes, [wire5::SubscribeReasonCode::NotAuthorized]);
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_connect() {
    let world = World::start(|settings| settings.connect_timeout = Duration::from_secs(3600)).await;
    let silent = tokio::net::TcpStream::connect(world.address).await.expect("a connection");
    world.device(|_| {}).connected().await;
    let stopping = tokio::spawn(world.listener.stop());
    tokio::time::timeout(SOON, stopping).await.expect("an end in time").expect("no panic");
    drop(silent);
}

#[tokio::test]
async fn stopping_at_the_very_start_comes_to_an_end() {
    for _ in 0..5 {
        let world = World::start(|_| {}).await;
        tokio::time::timeout(SOON, world.listener.stop()).await.expect("an end in time");
    }
}
