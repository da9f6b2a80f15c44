//! Opens the doors of the built-in MQTT server, and starts it.

use std::net::{SocketAddr, TcpListener};

use super::{RunError, wiring};
use crate::committer::CommitHandle;
use crate::config::Settings;
use crate::source::mqtt_listener::{Doors, MqttListener};

/// A server that serves, and where.
pub(crate) struct StartedListener {
    pub(crate) listener: MqttListener,
    /// A line for each door.
    pub(crate) announcements: Vec<String>,
}

/// Starts the server, if it is wanted; what it hears goes to `commits`.
///
/// # Errors
/// When a port cannot be taken, or the server does not start.
pub(crate) async fn start(
    settings: &Settings,
    commits: &CommitHandle,
) -> Result<Option<StartedListener>, RunError> {
    let chosen = &settings.mqtt_listener;
    if !chosen.enabled {
        return Ok(None);
    }
    let mut doors = Doors::default();
    let mut announcements = Vec::new();
    if let Some(address) = chosen.listen {
        let (socket, bound) = bind("mqtt_listener.listen", address)?;
        if !bound.ip().is_loopback() && chosen.credentials.is_none() {
            tracing::warn!(%bound, "mqtt listener has no password and takes messages from the whole network");
        }
        announcements.push(format!("penstock-agent mqtt listener on {bound}"));
        doors.plain = Some(socket);
    }
    if let Some(tls) = &chosen.tls {
        let (socket, bound) = bind("mqtt_listener.tls.listen", tls.listen)?;
        let knows_devices = tls.files.clients.as_ref().is_some_and(|clients| clients.is_required);
        if !bound.ip().is_loopback() && chosen.credentials.is_none() && !knows_devices {
            tracing::warn!(%bound, "mqtt tls listener demands neither password nor certificate");
        }
        announcements.push(format!("penstock-agent mqtt tls listener on {bound}"));
        doors.tls = Some(socket);
    }
    let make_decoder = wiring::decoder_maker(settings);
    let listener = MqttListener::start(doors, chosen.clone(), make_decoder, commits.clone()).await?;
    Ok(Some(StartedListener { listener, announcements }))
}

fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), RunError> {
    let bind_error = |source| RunError::Bind { key, address, source };
    let socket = TcpListener::bind(address).map_err(bind_error)?;
    let bound = socket.local_addr().map_err(bind_error)?;
    Ok((socket, bound))
}
