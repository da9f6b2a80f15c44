//! Which sources are configured, and how each is started; all but the built-in MQTT server, which has a thread of its
//! own.

use std::sync::Arc;

use super::wiring;
use crate::committer::CommitHandle;
use crate::config::{
    ClientSettings, CommandSettings, DecodeSettings, DeviceSettings, MappingSettings, ModbusSettings,
    SerialSettings, Settings,
};
use crate::source::{SourceTask, command, device, modbus, mqtt_client, serial};
use crate::status::SourceStatus;

/// Everything that a source is made of. Where two plans are equal, the source of one does what the other says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourcePlan {
    kind: Kind,
    prefix_sources: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Client(Box<ClientSettings>, Decoding),
    Serial(Box<SerialSettings>),
    Modbus(Box<ModbusSettings>),
    Command(Box<CommandSettings>),
    Device(Box<DeviceSettings>),
}

/// How messages with topics become readings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decoding {
    mappings: Vec<MappingSettings>,
    dialects: DecodeSettings,
}

/// A source that runs.
pub(crate) struct StartedSource {
    pub(crate) plan: SourcePlan,
    pub(crate) task: SourceTask,
    /// Where its counts are read, if it counts.
    pub(crate) status: Option<SourceStatus>,
}

impl Decoding {
    pub(super) fn of(settings: &Settings) -> Self {
        Self { mappings: settings.mappings.clone(), dialects: settings.decode.clone() }
    }
}

/// Tells which sources the settings want.
pub(crate) fn plans(settings: &Settings) -> Vec<SourcePlan> {
    let clients = settings.mqtt_clients.iter().cloned().map(Box::new);
    let mut kinds: Vec<_> = clients.map(|client| Kind::Client(client, Decoding::of(settings))).collect();
    kinds.extend(settings.serials.iter().cloned().map(|serial| Kind::Serial(Box::new(serial))));
    kinds.extend(settings.modbus.iter().cloned().map(|bus| Kind::Modbus(Box::new(bus))));
    kinds.extend(settings.commands.iter().cloned().map(|program| Kind::Command(Box::new(program))));
    if settings.device.enabled {
        kinds.push(Kind::Device(Box::new(settings.device.clone())));
    }
    let prefix_sources = settings.agent.prefix_sources;
    kinds.into_iter().map(|kind| SourcePlan { kind, prefix_sources }).collect()
}

/// Starts the source of one of the plans of `settings`; what it hears goes to `commits`.
pub(crate) fn start(plan: SourcePlan, settings: &Settings, commits: &CommitHandle) -> StartedSource {
    let outlet = |kind: &str, name: &str| wiring::outlet(settings, name, format!("{kind} {name}"), commits);
    let (task, status) = match &plan.kind {
        Kind::Client(client, _) => {
            let intake = wiring::client_intake(settings, client, commits);
            let counters = intake.counters();
            let task = mqtt_client::start(ClientSettings::clone(client), &settings.agent.id, intake);
            let name = format!("{}:{}", client.host, client.port);
            (task, Some(status("mqtt client", &name, move || counters.to_pairs())))
        }
        Kind::Serial(line) => {
            let (task, counters) = serial::start(SerialSettings::clone(line), outlet("serial", &line.name));
            (task, Some(status("serial", &line.name, move || counters.counts().to_pairs())))
        }
        Kind::Modbus(bus) => {
            let (task, counters) = modbus::start(ModbusSettings::clone(bus), outlet("modbus", &bus.name));
            (task, Some(status("modbus", &bus.name, move || counters.counts().to_pairs())))
        }
        Kind::Command(program) => {
            let (task, counters) =
                command::start(CommandSettings::clone(program), outlet("command", &program.name));
            (task, Some(status("command", &program.name, move || counters.counts().to_pairs())))
        }
        Kind::Device(chosen) => {
            let outlet = wiring::outlet(settings, &chosen.source, "device".to_owned(), commits);
            (device::start(DeviceSettings::clone(chosen), outlet), None)
        }
    };
    StartedSource { plan, task, status }
}

/// Notes where a source's counts are read.
pub(super) fn status(
    kind: &'static str,
    name: &str,
    counts: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
) -> SourceStatus {
    SourceStatus { kind, name: name.to_owned(), counts: Arc::new(counts) }
}
