//! Which serial port, and how its line is set.

use std::fmt;
use std::path::PathBuf;

use crate::config::section::Section;

/// The speeds that serial hardware and Linux know by name.
const BAUDS: [u32; 30] = [
    50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200,
    230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000, 2_500_000,
    3_000_000, 3_500_000, 4_000_000,
];

/// A port and its line settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSettings {
    /// Where it is found.
    pub device: Device,
    /// Bits a second. Default: 9600.
    pub baud: u32,
    /// 5 to 8. Default: 8.
    pub data_bits: u8,
    /// Default: none.
    pub parity: Parity,
    /// 1 or 2. Default: 1.
    pub stop_bits: u8,
    /// Default: none.
    pub flow_control: FlowControl,
}

/// How a port is found, each time that it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// A path, such as `/dev/serial/by-id/usb-…`.
    Path(PathBuf),
    /// A USB adapter, whatever name it has at the moment.
    Usb(UsbId),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Usb(UsbId { vendor, product, serial_number: None }) => write!(f, "USB {vendor}:{product}"),
            Self::Usb(UsbId { vendor, product, serial_number: Some(number) }) => {
                write!(f, "USB {vendor}:{product} {number}")
            }
        }
    }
}

/// What a USB adapter says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsbId {
    /// Four hexadecimal digits, in lower case.
    pub vendor: String,
    /// Four hexadecimal digits, in lower case.
    pub product: String,
    /// None takes any.
    pub serial_number: Option<String>,
}

/// The bit that makes a character's sum even or odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parity {
    /// No such bit.
    #[default]
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// How a receiver makes its sender wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlowControl {
    /// Not at all.
    #[default]
    None,
    /// XON and XOFF.
    Software,
    /// RTS and CTS.
    Hardware,
}

impl Default for PortSettings {
    fn default() -> Self {
        Self {
            device: Device::Path(PathBuf::from("/dev/ttyUSB0")),
            baud: 9600,
            data_bits: 8,
            parity: Parity::None,
            stop_bits: 1,
            flow_control: FlowControl::None,
        }
    }
}

pub(in crate::config) fn read(section: &mut Section<'_>) -> PortSettings {
    let default = PortSettings::default();
    let device = read_device(section);
    let baud = u32::try_from(section.number("baud", default.baud.into(), 1..=u32::MAX.into())).unwrap_or(0);
    if !BAUDS.contains(&baud) {
        let list = BAUDS.map(|baud| baud.to_string()).join(", ");
        section.fault("baud", format!("must be one of {list}"));
    }
    let parities = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];
    let flows = [
        ("none", FlowControl::None),
        ("software", FlowControl::Software),
        ("hardware", FlowControl::Hardware),
    ];
    let data_bits = section.number("data_bits", default.data_bits.into(), 5..=8);
    let stop_bits = section.number("stop_bits", default.stop_bits.into(), 1..=2);
    PortSettings {
        device,
        baud,
        data_bits: u8::try_from(data_bits).unwrap_or(default.data_bits),
        parity: section.choice("parity", default.parity, &parities),
        stop_bits: u8::try_from(stop_bits).unwrap_or(default.stop_bits),
        flow_control: section.choice("flow_control", default.flow_control, &flows),
    }
}

fn read_device(section: &mut Section<'_>) -> Device {
    let path = section.optional_text("port");
    let vendor = read_usb_number(section, "usb_vendor");
    let product = read_usb_number(section, "usb_product");
    let serial_number = section.optional_text("usb_serial_number");
    match (path, vendor, product) {
        (Some(path), None, None) if serial_number.is_none() => Device::Path(PathBuf::from(path)),
        (None, Some(vendor), Some(product)) => Device::Usb(UsbId { vendor, product, serial_number }),
        (Some(path), ..) => {
            section.fault("port", "stands beside usb_…; a port is found by one of them");
            Device::Path(PathBuf::from(path))
        }
        (None, ..) => {
            section.fault("port", "is needed: a path, or else usb_vendor and usb_product");
            PortSettings::default().device
        }
    }
}

fn read_usb_number(section: &mut Section<'_>, key: &str) -> Option<String> {
    let text = section.optional_text(key)?.to_ascii_lowercase();
    if text.len() != 4 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        section.fault(key, "must be four hexadecimal digits, such as \"0403\"");
    }
    Some(text)
}
