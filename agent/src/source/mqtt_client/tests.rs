//! Against a real Mosquitto, with the test in the committer's place.

mod refused;
mod shared;
mod tls;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use penstock_shared::reading::Value;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::sync::mpsc;

use super::*;
use crate::committer::CommitHandle;
use crate::config::DecodeSettings;
use crate::decode::Decoder;
use crate::delivery::{Delivery, NotCommitted};

const SOON: Duration = Duration::from_secs(20);
const A_WHILE: Duration = Duration::from_millis(300);

pub(crate) struct Broker {
    process: Child,
    pub(crate) port: u16,
    _dir: tempfile::TempDir,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::start_on(free_port())
    }

    fn start_on(port: u16) -> Self {
        Self::start_with(port, "")
    }

    /// Starts one with further lines in its configuration.
    fn start_with(port: u16, lines: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("mosquitto.conf");
        std::fs::write(
            &config,
            format!("user root\nallow_anonymous true\npersistence false\nlistener {port} 127.0.0.1\n{lines}"),
        )
        .expect("a file");
        let search_path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let process = Command::new("mosquitto")
            .env("PATH", search_path)
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto, which these tests need: Debian's package of that name");
        Self { process, port, _dir: dir }
    }

    /// Publishes with QoS 1 and waits until the broker has it.
    pub(crate) async fn publish(&self, topic: &str, retain: bool, payload: impl Into<Vec<u8>>) {
        let mut options =
            MqttOptions::new(format!("device-{}", rand::random::<u32>()), "127.0.0.1", self.port);
        options.set_max_packet_size(32 << 20, 32 << 20);
        let (client, mut events) = AsyncClient::new(options, 10);
        client.publish(topic, QoS::AtLeastOnce, retain, payload).await.expect("a request");
        tokio::time::timeout(SOON, async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::PubAck(_))) => return,
                    Ok(_) => {}
                    // It has not come up yet.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        })
        .await
        .expect("the broker takes the message in time");
    }

    /// Publishes until `world` hears the first: only then does the subscription stand.
    async fn until_subscribed(&self, world: &mut World) {
        loop {
            self.publish("are/you/there", false, "0").await;
            if let Ok(Some(delivery)) = tokio::time::timeout(A_WHILE, world.deliveries.recv()).await {
                (delivery.done)(Ok(()));
                break;
            }
        }
        while let Ok(Some(late)) = tokio::time::timeout(A_WHILE, world.deliveries.recv()).await {
            (late.done)(Ok(()));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

struct World {
    client: SourceTask,
    deliveries: mpsc::Receiver<Delivery>,
}

impl World {
    fn start(broker: &Broker, adjust: impl FnOnce(&mut ClientSettings)) -> Self {
        let mut settings = ClientSettings { port: broker.port, ..ClientSettings::default() };
        adjust(&mut settings);
        let agent = AgentId::new("gw").expect("an id");
        let (queue, deliveries) = mpsc::channel(100);
        let decoder = Decoder::new(&agent, true, Arc::from([]))
            .with_dialects(&DecodeSettings::default())
            .limit_payload(settings.max_packet_bytes as usize);
        let intake = Intake::new(decoder, CommitHandle::over(queue));
        Self { client: start(settings, &agent, intake), deliveries }
    }

    async fn delivery(&mut self) -> Delivery {
        tokio::time::timeout(SOON, self.deliveries.recv()).await.expect("in time").expect("a delivery")
    }

    async fn expect_number(&mut self, number: f64) -> Delivery {
        let delivery = self.delivery().await;
        assert_eq!(delivery.readings.first().map(|reading| &reading.value), Some(&Value::Number(number)));
        delivery
    }

    async fn expect_nothing(&mut self) {
        let heard = tokio::time::timeout(A_WHILE, self.deliveries.recv()).await;
        let readings = heard.as_ref().map(|delivery| delivery.as_ref().map(|delivery| &delivery.readings));
        assert!(heard.is_err(), "heard {readings:?}");
    }
}

async fn what_is_not_durable_comes_again_and_what_is_does_not(
    broker: &Broker,
    adjust: impl Fn(&mut ClientSettings),
) {
    let mut world = World::start(broker, &adjust);
    broker.until_subscribed(&mut world).await;
    broker.publish("a/b", false, "7").await;
    (world.expect_number(7.0).await.done)(Err(NotCommitted::BufferFull));
    (world.expect_number(7.0).await.done)(Ok(()));
    world.client.stop(DRAIN_TIMEOUT * 2).await;

    // The session stays at the broker: what comes meanwhile is kept, what was acknowledged is not.
    broker.publish("a/b", false, "8").await;
    let mut again = World::start(broker, &adjust);
    (again.expect_number(8.0).await.done)(Ok(()));
    again.expect_nothing().await;
}

#[tokio::test]
async fn at_3_1_1_what_is_not_durable_comes_again_and_what_is_does_not() {
    let adjust = |settings: &mut ClientSettings| settings.version = MqttVersion::V311;
    what_is_not_durable_comes_again_and_what_is_does_not(&Broker::start(), adjust).await;
}

#[tokio::test]
async fn at_5_what_is_not_durable_comes_again_and_what_is_does_not() {
    let adjust = |settings: &mut ClientSettings| settings.version = MqttVersion::V5;
    what_is_not_durable_comes_again_and_what_is_does_not(&Broker::start(), adjust).await;
}

#[tokio::test]
async fn a_message_that_was_never_committed_comes_again_after_a_restart() {
    let broker = Broker::start();
    let mut world = World::start(&broker, |_| {});
    broker.until_subscribed(&mut world).await;
    broker.publish("a/b", false, "7").await;
    let unfinished = world.expect_number(7.0).await;
    world.client.abort();
    drop(unfinished);
    let mut again = World::start(&broker, |_| {});
    (again.expect_number(7.0).await.done)(Ok(()));
}

async fn a_broker_that_forgot_the_session_is_subscribed_to_again(version: MqttVersion) {
    let broker = Broker::start();
    let port = broker.port;
    let mut world = World::start(&broker, |settings| settings.version = version);
    broker.until_subscribed(&mut world).await;
    broker.publish("a/b", false, "7").await;
    let late = world.expect_number(7.0).await;
    drop(broker);
    let broker = Broker::start_on(port);
    broker.until_subscribed(&mut world).await;
    // The acknowledgement for the connection that is gone must not touch this one.
    (late.done)(Ok(()));
    broker.publish("a/b", false, "8").await;
    (world.expect_number(8.0).await.done)(Ok(()));
}

#[tokio::test]
async fn at_3_1_1_a_broker_that_forgot_the_session_is_subscribed_to_again() {
    a_broker_that_forgot_the_session_is_subscribed_to_again(MqttVersion::V311).await;
}

#[tokio::test]
async fn at_5_a_broker_that_forgot_the_session_is_subscribed_to_again() {
    a_broker_that_forgot_the_session_is_subscribed_to_again(MqttVersion::V5).await;
}

#[tokio::test]
async fn many_messages_in_flight_are_all_acknowledged() {
    let broker = Broker::start();
    let mut world = World::start(&broker, |_| {});
    broker.until_subscribed(&mut world).await;
    for number in 0..200 {
        broker.publish("a/b", false, number.to_string()).await;
    }
    for number in 0..200 {
        (world.expect_number(f64::from(number)).await.done)(Ok(()));
    }
    world.client.stop(DRAIN_TIMEOUT * 2).await;
    let mut again = World::start(&broker, |_| {});
    again.expect_nothing().await;
}

#[tokio::test]
async fn what_the_broker_kept_from_before_is_taken_only_on_demand() {
    let broker = Broker::start();
    broker.publish("old/value", true, "1").await;
    let mut world = World::start(&broker, |_| {});
    broker.until_subscribed(&mut world).await;
    world.expect_nothing().await;
    let mut taking = World::start(&broker, |settings| {
        settings.client_id = Some("another".into());
        settings.take_retained = true;
    });
    (taking.expect_number(1.0).await.done)(Ok(()));
}

#[tokio::test]
async fn a_discovery_that_the_broker_kept_names_the_states_that_follow() {
    let broker = Broker::start();
    let config =
        r#"{"stat_t":"node/state","dev_cla":"temperature","unit_of_meas":"°C","dev":{"name":"attic"}}"#;
    broker.publish("homeassistant/sensor/node/t/config", true, config).await;
    broker.publish("node/state", true, "1").await;
    let mut world = World::start(&broker, |_| {});
    broker.until_subscribed(&mut world).await;
    broker.publish("node/state", false, "7").await;
    let delivery = world.expect_number(7.0).await;
    assert_eq!(delivery.readings[0].series.to_string(), "temperature@gw/attic unit=°C");
    (delivery.done)(Ok(()));
}

async fn a_sparkplug_node_of_unknown_birth_is_asked_for_it(version: MqttVersion) {
    let broker = Broker::start();
    let mut world = World::start(&broker, |settings| settings.version = version);
    broker.until_subscribed(&mut world).await;
    let (node, mut commands) = AsyncClient::new(MqttOptions::new("edge1", "127.0.0.1", broker.port), 10);
    node.subscribe("spBv1.0/plant/NCMD/edge1", QoS::AtMostOnce).await.expect("a request");
    // Alias 2 is 1.5 in the message after a birth that nobody heard.
    let data = b"\x12\x0b\x10\x02\x69\0\0\0\0\0\0\xf8\x3f\x18\x01";
    let command = async {
        loop {
            match commands.poll().await.expect("a connection") {
                Event::Incoming(Packet::SubAck(_)) => {
                    let publish = node.publish("spBv1.0/plant/NDATA/edge1", QoS::AtMostOnce, false, *data);
                    publish.await.expect("a request");
                }
                Event::Incoming(Packet::Publish(command)) => return command,
                _ => {}
            }
        }
    };
    let command = tokio::time::timeout(SOON, command).await.expect("a command in time");
    assert!(command.payload.windows(20).any(|part| part == b"Node Control/Rebirth"));
    assert_eq!(world.delivery().await.dead_letters[0].reason, "unknown_alias");
}

#[tokio::test]
async fn at_3_1_1_a_sparkplug_node_of_unknown_birth_is_asked_for_it() {
    a_sparkplug_node_of_unknown_birth_is_asked_for_it(MqttVersion::V311).await;
}

#[tokio::test]
async fn at_5_a_sparkplug_node_of_unknown_birth_is_asked_for_it() {
    a_sparkplug_node_of_unknown_birth_is_asked_for_it(MqttVersion::V5).await;
}

#[tokio::test]
async fn a_message_above_the_limit_is_a_dead_letter_and_blocks_nothing() {
    let broker = Broker::start();
    let mut world = World::start(&broker, |settings| settings.max_packet_bytes = 2048);
    broker.until_subscribed(&mut world).await;
    broker.publish("a/b", false, vec![b'1'; 10_000_000]).await;
    let delivery = world.delivery().await;
    assert_eq!(delivery.dead_letters[0].reason, "payload_too_large");
    (delivery.done)(Ok(()));
    broker.publish("a/b", false, "8").await;
    (world.expect_number(8.0).await.done)(Ok(()));
}
