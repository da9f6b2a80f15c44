//! What is reached over the network: the listener's own ports, brokers, Modbus gateways, the hub.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Finding, TOLERABLE_OFFSET};
use crate::config::modbus::Bus;
use crate::config::{ClientSettings, Settings};
use crate::forward::{ForwardSettings, Hub};
use crate::source::mqtt_client;

const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at everything at once, and returns the findings in the order of a reading's way.
pub(super) async fn all(settings: &Settings, is_running: bool) -> Vec<Finding> {
    let listener = &settings.mqtt_listener;
    let doors = [
        ("mqtt listener", listener.listen),
        ("mqtt tls listener", listener.tls.as_ref().map(|tls| tls.listen)),
    ];
    let doors = doors.into_iter().filter(|_| listener.enabled);
    let mut findings: Vec<_> =
        doors.filter_map(|(name, address)| Some(door(name, address?, is_running))).collect();
    let brokers = join_all(settings.mqtt_clients.iter().map(broker));
    let buses = settings.modbus.iter().filter_map(|bus| match &bus.bus {
        Bus::Tcp(address) => Some(gateway(&bus.name, address)),
        Bus::Rtu(_) => None,
    });
    let (brokers, buses, hub) = tokio::join!(brokers, join_all(buses), hub(settings));
    findings.extend(brokers.into_iter().chain(buses).chain(hub));
    findings
}

fn door(name: &str, address: SocketAddr, is_running: bool) -> Finding {
    let outcome = match TcpListener::bind(address) {
        Ok(_) => Ok("port is free".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && is_running => {
            Ok("taken, by the agent that runs".to_owned())
        }
        Err(error) => Err(error.to_string()),
    };
    Finding::of(&format!("{name} on {address}"), outcome)
}

async fn broker(client: &ClientSettings) -> Finding {
    let what = format!("broker {}:{}", client.host, client.port);
    Finding::of(&what, within(mqtt_client::probe(client)).await)
}

async fn gateway(name: &str, address: &str) -> Finding {
    let outcome = within(async {
        TcpStream::connect(address).await.map(|_| "reached".to_owned()).map_err(|error| error.to_string())
    });
    Finding::of(&format!("modbus gateway of {name}, {address}"), outcome.await)
}

/// Looks whether the hub answers, and takes this agent's token.
pub(super) async fn hub(settings: &Settings) -> Vec<Finding> {
    let what = format!("hub {}", settings.hub.url);
    let forward = ForwardSettings {
        token: settings.hub.token.clone(),
        timeout: PATIENCE,
        ..ForwardSettings::new(settings.agent.id.clone(), settings.hub.url.clone())
    };
    let hub = match Hub::new(&forward) {
        Ok(hub) => hub,
        Err(error) => return vec![Finding::bad(format!("{what}: {error}"))],
    };
    match within(hub.probe()).await {
        Err(fault) => vec![Finding::bad(format!("{what}: {fault}"))],
        Ok(ahead) => {
            let mut findings = vec![Finding::good(format!("{what}: answers, and accepts this agent"))];
            if ahead.unsigned_abs() > TOLERABLE_OFFSET.as_secs() {
                let way = if ahead > 0 { "behind" } else { "ahead of" };
                findings.push(Finding::bad(format!("clock: {} s {way} the hub's", ahead.unsigned_abs())));
            }
            findings
        }
    }
}

async fn within<T>(look: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(PATIENCE, look)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
}
