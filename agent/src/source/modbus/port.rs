//! Opens a serial port for a bus.

use std::path::PathBuf;
use std::time::Duration;

use tokio_serial::{SerialPortBuilderExt, SerialStream};

use crate::config::serial::{Device, FlowControl, Parity, PortSettings};

/// Frames are apart by the time of 3.5 characters of 11 bits, but on fast lines by no less than this (Modbus over
/// Serial Line 1.02, section 2.5.1.1).
const SHORTEST_GAP: Duration = Duration::from_micros(1750);

/// Why a port is not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortError {
    #[error("{0} does not exist: the adapter is not plugged in")]
    Absent(PathBuf),
    #[error("{path}: {source}")]
    Refused { path: PathBuf, source: tokio_serial::Error },
    #[error("the thread that opened the port: {0}")]
    Gone(#[source] tokio::task::JoinError),
}

/// Opens the port for this program alone.
pub(super) async fn open(settings: &PortSettings) -> Result<SerialStream, PortError> {
    let path = match &settings.device {
        Device::Path(path) => path.clone(),
        // The configuration lets no such bus pass.
        Device::Usb(_) => return Err(PortError::Absent(settings.device.to_string().into())),
    };
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
    // Some drivers take their time to open.
    let opened = tokio::task::spawn_blocking(move || builder.open_native_async()).await;
    opened.map_err(PortError::Gone)?.map_err(|source| {
        if path.exists() { PortError::Refused { path, source } } else { PortError::Absent(path) }
    })
}

/// Returns the silence that divides frames on a line.
pub(super) fn frame_gap(settings: &PortSettings) -> Duration {
    let micros = 3_500_000 * 11 / u64::from(settings.baud.max(1));
    Duration::from_micros(micros).max(SHORTEST_GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_has_a_longer_silence_between_frames() {
        let gap = |baud| frame_gap(&PortSettings { baud, ..PortSettings::default() }).as_micros();
        assert_eq!((gap(9600), gap(115_200)), (4010, 1750));
    }
}
