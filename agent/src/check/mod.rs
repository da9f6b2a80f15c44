//! `check`: whether what the configuration names is there, may be used, and answers.
//!
//! ```text
//! Settings ─▶ disk, clock, ports, brokers, buses, hub ─▶ one finding each, in the order of a reading's way
//! ```
//!
//! It takes nothing, sends no reading, and works beside an agent that runs. Only serial ports are not opened, as that
//! resets some instruments.

mod disk;
mod reach;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::modbus::Bus;
use crate::config::serial::PortSettings;
use crate::config::{Layers, Settings};
use crate::control::is_in_use;
use crate::source::port_state;

/// A clock further from the hub's than this puts readings into the wrong minute.
const TOLERABLE_OFFSET: Duration = Duration::from_secs(5);

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be.
    pub is_good: bool,
    /// What was looked at and what is found.
    pub text: String,
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self { is_good: true, text: text.into() }
    }

    fn bad(text: impl Into<String>) -> Self {
        Self { is_good: false, text: text.into() }
    }

    fn of(what: &str, outcome: Result<String, String>) -> Self {
        match outcome {
            Ok(found) => Self::good(format!("{what}: {found}")),
            Err(fault) => Self::bad(format!("{what}: {fault}")),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.is_good { '✓' } else { '✗' }, self.text)
    }
}

/// Looks at everything that the configuration names, and at the files it stands in. Waits some seconds for what does not answer.
///
/// # Errors
/// When the operating system gives no runtime.
pub fn run(layers: &Layers, settings: &Settings) -> std::io::Result<Vec<Finding>> {
    let mut findings = vec![disk::room(settings), disk::owner(settings)];
    findings.extend(disk::strangers(settings));
    findings.extend(layers.files().filter_map(disk::token));
    findings.extend(disk::token_file(settings));
    findings.extend(settings.serials.iter().map(|serial| serial_port(&serial.name, &serial.port)));
    for bus in &settings.modbus {
        if let Bus::Rtu(port) = &bus.bus {
            findings.push(serial_port(&bus.name, port));
        }
    }
    findings.extend(settings.commands.iter().map(|command| program(&command.name, &command.run)));
    let is_running = is_in_use(&settings.buffer.dir).unwrap_or(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    findings.extend(runtime.block_on(reach::all(settings, is_running)));
    findings.push(clock(settings));
    Ok(findings)
}

/// Looks at the hub only.
///
/// # Errors
/// When the operating system gives no runtime.
pub fn hub(settings: &Settings) -> std::io::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(reach::hub(settings)))
}

fn serial_port(name: &str, port: &PortSettings) -> Finding {
    let outcome = port_state(port, Path::new("/"));
    Finding::of(&format!("port of {name}"), outcome.map(|path| path.display().to_string()))
}

fn program(name: &str, run: &[String]) -> Finding {
    let program = run.first().map(String::as_str).unwrap_or_default();
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let found = if program.contains('/') {
        Some(program.into()).filter(|path: &std::path::PathBuf| path.exists())
    } else {
        std::env::split_paths(&search_path).map(|dir| dir.join(program)).find(|path| path.exists())
    };
    let outcome =
        found.map(|path| path.display().to_string()).ok_or_else(|| format!("{program} is not there"));
    Finding::of(&format!("program of {name}"), outcome)
}

fn clock(settings: &Settings) -> Finding {
    let clock = Clock::look_only(settings.clock.clone().suited_to(Path::new("/")));
    if clock.is_set() {
        return Finding::good("clock: set");
    }
    Finding::bad(format!("clock: not set ({}): readings will wait on disk", clock.waits_for()))
}
