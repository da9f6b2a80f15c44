//! `[[serial]]`: an instrument on a serial line: which port, how its frames begin and end, what stands in them.

mod framing;
mod port;
mod record;

use std::time::Duration;

use super::section::Section;

pub use framing::{ByteOrder, Checksum, ChecksumKind, Framing, FramingSettings, LengthCounts};
pub(super) use port::read as read_port;
pub use port::{Device, FlowControl, Parity, PortSettings, UsbId};
pub(super) use record::read as read_record;
pub use record::{BinaryField, FieldType, Pattern, RecordFormat, RecordSettings};

/// One serial line.
#[derive(Debug, Clone, PartialEq)]
pub struct SerialSettings {
    /// The source's name in its readings.
    pub name: String,
    /// The port and its line settings.
    pub port: PortSettings,
    /// How frames begin and end, and how they are checked.
    pub framing: FramingSettings,
    /// What stands in a frame.
    pub record: RecordSettings,
    /// What the instrument must be asked; none listens.
    pub poll: Option<PollSettings>,
    /// The port is opened anew when no byte came for this long; none waits for ever. Default: none.
    pub idle: Option<Duration>,
    /// What is incomplete when the line is silent for this long is dropped; none waits for the rest. Default: none.
    pub gap: Option<Duration>,
    /// The longest pause between attempts to open the port, which is cheap. Default: 5 s.
    pub backoff_max: Duration,
}

/// A question that an instrument answers with one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollSettings {
    /// What is sent.
    pub send: Vec<u8>,
    /// How often. Default: 1 s.
    pub interval: Duration,
    /// How long the answer may take. Default: 500 ms.
    pub timeout: Duration,
}

impl Default for SerialSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            port: PortSettings::default(),
            framing: FramingSettings::default(),
            record: RecordSettings::default(),
            poll: None,
            idle: None,
            gap: None,
            backoff_max: Duration::from_secs(5),
        }
    }
}

pub(super) fn read(section: &mut Section<'_>) -> SerialSettings {
    let name = section.text("name", "");
    if name.is_empty() {
        section.fault("name", "is needed: the source's name in its readings");
    }
    let port = port::read(section);
    let framing = framing::read(section);
    let record = record::read(section);
    let poll = read_poll(section);
    let idle = section.number("idle_seconds", 0, 0..=86_400);
    let gap = section.number("gap_ms", 0, 0..=60_000);
    let backoff_max = section.number("backoff_max_seconds", 5, 1..=3600);
    SerialSettings {
        name,
        port,
        framing,
        record,
        poll,
        idle: (idle > 0).then(|| Duration::from_secs(idle)),
        gap: (gap > 0).then(|| Duration::from_millis(gap)),
        backoff_max: Duration::from_secs(backoff_max),
    }
}

fn read_poll(section: &mut Section<'_>) -> Option<PollSettings> {
    let text = section.text("poll_text", "");
    let hex = read_hex(section, "poll_hex");
    let interval = section.number("poll_interval_ms", 1000, 10..=86_400_000);
    let timeout = section.number("poll_timeout_ms", 500, 10..=60_000);
    if !text.is_empty() && !hex.is_empty() {
        section.fault("poll_hex", "stands beside poll_text; only one of them can be sent");
    }
    let send = if hex.is_empty() { text.into_bytes() } else { hex };
    (!send.is_empty()).then(|| PollSettings {
        send,
        interval: Duration::from_millis(interval),
        timeout: Duration::from_millis(timeout),
    })
}

/// Reads bytes written as pairs of hexadecimal digits, such as `"01 03 ff"`.
fn read_hex(section: &mut Section<'_>, key: &str) -> Vec<u8> {
    let digits: Vec<u8> = section.text(key, "").bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, odd) = digits.as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?)).collect();
    bytes.filter(|_| odd.is_empty()).unwrap_or_else(|| {
        section.fault(key, "must be pairs of hexadecimal digits, such as \"01 03 ff\"");
        Vec::new()
    })
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
