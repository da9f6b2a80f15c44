//! `[[modbus]]`: a bus with its slaves and what is read of each.

mod register;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::section::Section;
use super::serial::{PortSettings, read_port};

pub use register::{RegisterKind, RegisterSettings, RegisterType, WordOrder};

const LONGEST_INTERVAL_MS: u64 = 86_400_000;

/// One bus: a serial line, or a device or gateway by TCP.
#[derive(Debug, Clone, PartialEq)]
pub struct ModbusSettings {
    /// The source's name; the slaves' names follow it, as in `boiler/pump`.
    pub name: String,
    /// How it is reached.
    pub bus: Bus,
    /// How long a slave may take to answer. Default: 500 ms.
    pub timeout: Duration,
    /// The longest pause between attempts to open the bus, or to ask a slave that does not answer. Default: 30 s.
    pub backoff_max: Duration,
    /// Who is on it.
    pub slaves: Vec<SlaveSettings>,
}

/// How a bus is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bus {
    /// Modbus TCP, at `HOST:PORT`.
    Tcp(String),
    /// Modbus RTU.
    Rtu(PortSettings),
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Rtu(port) => port.device.fmt(f),
        }
    }
}

/// One slave.
#[derive(Debug, Clone, PartialEq)]
pub struct SlaveSettings {
    /// Its name in its readings.
    pub name: String,
    /// Its address on the bus, 1 to 247.
    pub unit: u8,
    /// How often it is read. Default: as the bus says, or else 1 s.
    pub interval: Duration,
    /// What is read.
    pub registers: Vec<RegisterSettings>,
}

pub(super) fn read(section: &mut Section<'_>) -> ModbusSettings {
    let name = section.text("name", "");
    if name.is_empty() {
        section.fault("name", "is needed: the source's name in its readings");
    }
    let bus = read_bus(section);
    let timeout = section.number("timeout_ms", 500, 10..=60_000);
    let interval = section.number("interval_ms", 1000, 10..=LONGEST_INTERVAL_MS);
    let backoff_max = section.number("backoff_max_seconds", 30, 1..=3600);
    let slaves = section.tables("slave", |slave| read_slave(slave, interval));
    if slaves.is_empty() {
        section.fault("slave", "is needed: at least one [[modbus.slave]]");
    }
    refuse_twins(section, "slave", slaves.iter().map(|slave| slave.name.as_str()));
    ModbusSettings {
        name,
        bus,
        timeout: Duration::from_millis(timeout),
        backoff_max: Duration::from_secs(backoff_max),
        slaves,
    }
}

fn read_bus(section: &mut Section<'_>) -> Bus {
    let Some(address) = section.optional_text("tcp") else {
        return Bus::Rtu(read_port(section));
    };
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    if !has_port {
        section.fault("tcp", "must be HOST:PORT, such as \"192.0.2.7:502\"");
    }
    Bus::Tcp(address)
}

fn read_slave(section: &mut Section<'_>, bus_interval_ms: u64) -> SlaveSettings {
    let name = section.text("name", "");
    if name.is_empty() {
        section.fault("name", "is needed: the slave's name in its readings");
    }
    let unit = u8::try_from(section.number("unit", 1, 1..=247)).unwrap_or(1);
    let interval = match section.number("interval_ms", 0, 0..=LONGEST_INTERVAL_MS) {
        0 => bus_interval_ms,
        own => own.max(10),
    };
    let registers = section.tables("register", register::read);
    if registers.is_empty() {
        section.fault("register", "is needed: at least one [[modbus.slave.register]]");
    }
    refuse_twins(section, "register", registers.iter().map(|register| register.name.as_str()));
    SlaveSettings { name, unit, interval: Duration::from_millis(interval), registers }
}

/// Two of one name would be one series.
fn refuse_twins<'a>(section: &mut Section<'_>, key: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !name.is_empty() && !seen.insert(name) {
            section.fault(key, format!("{name:?} stands there twice"));
        }
    }
}

#[cfg(test)]
mod tests;
