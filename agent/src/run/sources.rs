//! Starts every source that is configured, but for the built-in MQTT server, which has a thread of its own.

use std::sync::Arc;

use super::wiring;
use crate::committer::CommitHandle;
use crate::config::Settings;
use crate::source::{SourceTask, command, device, modbus, mqtt_client, serial};
use crate::status::SourceStatus;

/// Sources that run, and where their counts are read.
pub(crate) struct StartedSources {
    pub(crate) tasks: Vec<SourceTask>,
    pub(crate) states: Vec<SourceStatus>,
}

/// Starts them; what they hear goes to `commits`.
pub(crate) fn start(settings: &Settings, commits: &CommitHandle) -> StartedSources {
    let mut started = StartedSources { tasks: Vec::new(), states: Vec::new() };
    for client in &settings.mqtt_clients {
        let intake = wiring::client_intake(settings, client, commits);
        let counters = intake.counters();
        started.note("mqtt client", &format!("{}:{}", client.host, client.port), move || counters.to_pairs());
        started.tasks.push(mqtt_client::start(client.clone(), &settings.agent.id, intake));
    }
    for serial in &settings.serials {
        let outlet = wiring::outlet(settings, &serial.name, format!("serial {}", serial.name), commits);
        let (task, counters) = serial::start(serial.clone(), outlet);
        started.tasks.push(task);
        started.note("serial", &serial.name, move || counters.counts().to_pairs());
    }
    for bus in &settings.modbus {
        let outlet = wiring::outlet(settings, &bus.name, format!("modbus {}", bus.name), commits);
        let (task, counters) = modbus::start(bus.clone(), outlet);
        started.tasks.push(task);
        started.note("modbus", &bus.name, move || counters.counts().to_pairs());
    }
    for program in &settings.commands {
        let outlet = wiring::outlet(settings, &program.name, format!("command {}", program.name), commits);
        let (task, counters) = command::start(program.clone(), outlet);
        started.tasks.push(task);
        started.note("command", &program.name, move || counters.counts().to_pairs());
    }
    if settings.device.enabled {
        let outlet = wiring::outlet(settings, &settings.device.source, "device".to_owned(), commits);
        started.tasks.push(device::start(settings.device.clone(), outlet));
    }
    started
}

impl StartedSources {
    /// Notes where a source's counts are read.
    pub(crate) fn note(
        &mut self,
        kind: &'static str,
        name: &str,
        counts: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
    ) {
        self.states.push(SourceStatus { kind, name: name.to_owned(), counts: Arc::new(counts) });
    }
}
