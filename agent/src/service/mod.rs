//! What the agent says to the program that supervises it: that it is ready, reloads, stops, and still does its work.
//!
//! ```text
//! committer ─Pulse─┐
//! forwarder ─Pulse─┴▶ heartbeat ─WATCHDOG=1─▶ NotifySocket ─▶ systemd (sd_notify(3))
//! run ─────────────── READY=1, RELOADING=1, STOPPING=1, STATUS=… ──▲
//! ```
//!
//! The protocol is a datagram of lines to a socket that the environment names; a library is not needed for that. Where
//! no supervisor listens, nothing is said. This module must not know what the parts do that have a pulse.

mod heartbeat;
mod pulse;
mod socket;

use std::ffi::OsString;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub use heartbeat::beat;
pub use pulse::Pulse;
use socket::NotifySocket;

/// The way to the supervisor, if there is one.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<NotifySocket>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// Finds the supervisor as the environment tells of it.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::told_by(|name| std::env::var_os(name), std::process::id())
    }

    /// Finds the supervisor of process `own_id` as `variable` tells of it.
    fn told_by(variable: impl Fn(&str) -> Option<OsString>, own_id: u32) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| match NotifySocket::to(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, ?name, "supervisor's socket cannot be used, it will hear nothing");
                None
            }
        });
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        // A watchdog may be meant for the process that started this one.
        let is_meant = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(own_id));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| is_meant && *micros > 0);
        Self { socket, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// Returns how long the supervisor waits for a heartbeat before it ends the process; none where it wants none.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.socket.is_some())
    }

    /// Says that the agent is at work, and what it does.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// Says that a new configuration is being looked at; [`Self::ready`] ends that, whatever came of it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the configuration"));
    }

    /// Says that the agent ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping: what was taken in goes to disk");
    }

    /// Says what the agent does, for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    fn heartbeat(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message) {
            tracing::debug!(%error, message, "supervisor does not hear");
        }
    }
}

/// A line's end would begin another message.
fn one_line(text: &str) -> String {
    text.trim().replace(['\n', '\r'], "; ")
}

#[cfg(test)]
mod tests;
