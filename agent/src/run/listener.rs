//! Opens the doors of the built-in MQTT server, and starts it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::sources::{self, Decoding};
use super::{RunError, wiring};
use crate::committer::CommitHandle;
use crate::config::{ListenerSettings, Settings};
use crate::source::mqtt_listener::{Doors, MqttListener};
use crate::status::SourceStatus;

/// Everything that the server is made of; none where it is not wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListenerPlan {
    chosen: ListenerSettings,
    decoding: Decoding,
    prefix_sources: bool,
}

/// A server that serves, and where.
pub(crate) struct StartedListener {
    pub(crate) listener: MqttListener,
    pub(super) plan: ListenerPlan,
    doors: Vec<Door>,
    /// A line for each door that was not open before.
    pub(crate) announcements: Vec<String>,
}

/// A port that is open. Its queue of connections outlives the server behind it.
struct Door {
    /// As the configuration says it, perhaps with port 0.
    wanted: SocketAddr,
    socket: TcpListener,
}

impl Door {
    /// Tells whether this is what the configuration means, also where it now says which port 0 came to be.
    fn is_at(&self, wanted: SocketAddr) -> bool {
        self.wanted == wanted || self.socket.local_addr().is_ok_and(|bound| bound == wanted)
    }
}

/// Returns the plan of the server that the settings want.
pub(crate) fn plan(settings: &Settings) -> Option<ListenerPlan> {
    settings.mqtt_listener.enabled.then(|| ListenerPlan {
        chosen: settings.mqtt_listener.clone(),
        decoding: Decoding::of(settings),
        prefix_sources: settings.agent.prefix_sources,
    })
}

impl StartedListener {
    /// Tells where its counts are read.
    pub(super) fn status(&self) -> SourceStatus {
        let counters = Arc::clone(self.listener.counters());
        sources::status("mqtt listener", "devices", move || counters.to_pairs())
    }
}

/// Starts the server, if it is wanted; what it hears goes to `commits`. Ports that the one before it has open are taken
/// over from it, so that the two serve side by side until the other is stopped, and no device is turned away.
///
/// # Errors
/// When a port cannot be taken, or the server does not start.
pub(crate) async fn start(
    settings: &Settings,
    commits: &CommitHandle,
    before: Option<&StartedListener>,
) -> Result<Option<StartedListener>, RunError> {
    let Some(plan) = plan(settings) else { return Ok(None) };
    let chosen = &plan.chosen;
    let mut opening = Opening { before, doors: Vec::new(), announcements: Vec::new() };
    let mut doors = Doors::default();
    if let Some(address) = chosen.listen {
        let (socket, bound) = opening.open("mqtt_listener.listen", "listener", address)?;
        if !bound.ip().is_loopback() && chosen.credentials.is_none() {
            tracing::warn!(%bound, "mqtt listener has no password and takes messages from the whole network");
        }
        doors.plain = Some(socket);
    }
    if let Some(tls) = &chosen.tls {
        let (socket, bound) = opening.open("mqtt_listener.tls.listen", "tls listener", tls.listen)?;
        let knows_devices = tls.files.clients.as_ref().is_some_and(|clients| clients.is_required);
        if !bound.ip().is_loopback() && chosen.credentials.is_none() && !knows_devices {
            tracing::warn!(%bound, "mqtt tls listener demands neither password nor certificate");
        }
        doors.tls = Some(socket);
    }
    let Opening { doors: open, announcements, .. } = opening;
    let make_decoder = wiring::decoder_maker(settings);
    let listener = MqttListener::start(doors, chosen.clone(), make_decoder, commits.clone()).await?;
    Ok(Some(StartedListener { listener, plan, doors: open, announcements }))
}

/// Doors while they are being opened.
struct Opening<'a> {
    before: Option<&'a StartedListener>,
    doors: Vec<Door>,
    announcements: Vec<String>,
}

impl Opening<'_> {
    fn open(
        &mut self,
        key: &'static str,
        what: &str,
        wanted: SocketAddr,
    ) -> Result<(TcpListener, SocketAddr), RunError> {
        let bind_error = |source| RunError::Bind { key, address: wanted, source };
        let open_already = self.before.iter().flat_map(|before| &before.doors);
        let open_already = open_already.into_iter().find(|door| door.is_at(wanted));
        let socket = match open_already {
            Some(door) => door.socket.try_clone(),
            None => TcpListener::bind(wanted),
        };
        let socket = socket.map_err(bind_error)?;
        let bound = socket.local_addr().map_err(bind_error)?;
        if open_already.is_none() {
            self.announcements.push(format!("penstock-agent mqtt {what} on {bound}"));
        }
        let served = socket.try_clone().map_err(bind_error)?;
        self.doors.push(Door { wanted, socket });
        Ok((served, bound))
    }
}
