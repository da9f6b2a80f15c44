//! Serial ports, for every source that has one: opened as the line is set, or a plain word why not.

mod find;

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use tokio_serial::{ErrorKind, SerialPortBuilderExt, SerialStream};

use crate::config::serial::{Device, FlowControl, Parity, PortSettings};
use find::find;

/// Why a port is not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortError {
    #[error("no USB adapter {vendor}:{product}{serial_number} is plugged in")]
    NoAdapter { vendor: String, product: String, serial_number: String },
    #[error("{0} does not exist: nothing is plugged in there")]
    Absent(PathBuf),
    #[error("{path} is in use by {holder}")]
    Busy { path: PathBuf, holder: String },
    #[error("{0}: permission denied; the agent's user must be in the port's group, often dialout")]
    Denied(PathBuf),
    #[error("the thread that opened the port: {0}")]
    Gone(#[source] tokio::task::JoinError),
    #[error("{path}: {source}")]
    Refused { path: PathBuf, source: tokio_serial::Error },
}

/// Finds the port and opens it for this program alone. `root` is where `/sys` and `/dev` are.
pub(super) async fn open(settings: &PortSettings, root: &Path) -> Result<(SerialStream, PathBuf), PortError> {
    let (settings, root) = (settings.clone(), root.to_path_buf());
    // Some drivers take their time to open.
    let opened = tokio::task::spawn_blocking(move || open_now(&settings, &root)).await;
    opened.unwrap_or_else(|error| Err(PortError::Gone(error)))
}

fn open_now(settings: &PortSettings, root: &Path) -> Result<(SerialStream, PathBuf), PortError> {
    let path = find(&settings.device, root).ok_or_else(|| no_adapter(&settings.device))?;
    let builder = tokio_serial::new(path.to_string_lossy(), settings.baud)
        .data_bits(match settings.data_bits {
            5 => tokio_serial::DataBits::Five,
            6 => tokio_serial::DataBits::Six,
            7 => tokio_serial::DataBits::Seven,
            _ => tokio_serial::DataBits::Eight,
        })
        .parity(match settings.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        })
        .stop_bits(match settings.stop_bits {
            2 => tokio_serial::StopBits::Two,
            _ => tokio_serial::StopBits::One,
        })
        .flow_control(match settings.flow_control {
            FlowControl::None => tokio_serial::FlowControl::None,
            FlowControl::Software => tokio_serial::FlowControl::Software,
            FlowControl::Hardware => tokio_serial::FlowControl::Hardware,
        });
    match builder.open_native_async() {
        Ok(port) => Ok((port, path)),
        Err(source) => Err(explain(path, source)),
    }
}

/// Returns where the port is, if it is there and may be used; it is not opened, as that resets some instruments.
///
/// # Errors
/// With why it cannot be used.
pub(crate) fn port_state(settings: &PortSettings, root: &Path) -> Result<PathBuf, String> {
    let path = find(&settings.device, root).ok_or_else(|| no_adapter(&settings.device).to_string())?;
    if !path.exists() {
        return Err(PortError::Absent(path).to_string());
    }
    match rustix::fs::access(&path, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => Ok(path),
        Err(_) => Err(PortError::Denied(path).to_string()),
    }
}

fn no_adapter(device: &Device) -> PortError {
    match device {
        Device::Path(path) => PortError::Absent(path.clone()),
        Device::Usb(id) => PortError::NoAdapter {
            vendor: id.vendor.clone(),
            product: id.product.clone(),
            serial_number: id.serial_number.as_ref().map(|number| format!(" {number}")).unwrap_or_default(),
        },
    }
}

fn explain(path: PathBuf, source: tokio_serial::Error) -> PortError {
    match source.kind {
        // A link that leads nowhere is an instrument that is not there.
        _ if !path.exists() => PortError::Absent(path),
        // The library says so when the kernel or a lock says that somebody has it.
        ErrorKind::NoDevice => {
            let holder = holder(&path).unwrap_or_else(|| "another program".to_owned());
            PortError::Busy { path, holder }
        }
        ErrorKind::Io(std::io::ErrorKind::PermissionDenied) => PortError::Denied(path),
        _ => PortError::Refused { path, source },
    }
}

/// Names the program that has the port open, as far as this user may know.
fn holder(path: &Path) -> Option<String> {
    let port = path.canonicalize().ok()?;
    let own = std::process::id().to_string();
    let others = fs::read_dir("/proc").ok()?.flatten().filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.bytes().all(|byte| byte.is_ascii_digit()) && name != own
    });
    for process in others {
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        if files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == port)) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {})", name.trim(), process.file_name().to_string_lossy()));
        }
    }
    None
}
