//! Whether a broker takes this agent in: one connection without a session, which hears nothing and is closed again.

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, Transport};

use super::tunnel::Tunnel;
use crate::config::ClientSettings;

const REQUESTS: usize = 4;

/// Connects with the credentials and certificates of the settings, under another name. 3.1.1, which every broker speaks.
///
/// # Errors
/// With what the network, TLS or the broker says.
pub async fn probe(settings: &ClientSettings) -> Result<String, String> {
    let tunnel = match &settings.tls {
        Some(tls) => Some(Tunnel::open(settings, tls).await.map_err(|error| error.to_string())?),
        None => None,
    };
    let name = format!("penstock-check-{:08x}", rand::random::<u32>());
    let mut options = match &tunnel {
        Some(tunnel) => MqttOptions::new(name, tunnel.path(), settings.port),
        None => MqttOptions::new(name, settings.host.clone(), settings.port),
    };
    if tunnel.is_some() {
        options.set_transport(Transport::Unix);
    }
    options.set_clean_session(true);
    if let Some((username, password)) = &settings.credentials {
        options.set_credentials(username.clone(), password.clone());
    }
    let (client, mut events) = AsyncClient::new(options, REQUESTS);
    let outcome = loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => break Ok("takes this agent in".to_owned()),
            Ok(_) => {}
            Err(error) => break Err(error.to_string()),
        }
    };
    if outcome.is_ok() && client.try_disconnect().is_ok() {
        // DISCONNECT goes out with the next turn, whose outcome says nothing more.
        drop(events.poll().await);
    }
    drop(events);
    match (outcome, tunnel) {
        (Err(error), Some(tunnel)) => Err(tunnel.close().await.unwrap_or(error)),
        (outcome, _) => outcome,
    }
}
