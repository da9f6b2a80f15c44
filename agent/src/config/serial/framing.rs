//! How the bytes of a line become frames, and how a frame proves that it is intact.

use crate::config::section::Section;

/// Frames are kept whole in memory, and a search for the next intact one looks at each of their bytes.
const MAX_FRAME_BYTES: u64 = 16 * 1024;

/// How frames are cut out of a stream of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramingSettings {
    /// Default: lines that end with `\n`.
    pub framing: Framing,
    /// None takes every frame as it is. Default: none.
    pub checksum: Option<Checksum>,
    /// A longer frame is garbage. Default: 1024.
    pub max_frame_bytes: usize,
    /// Whether what comes before the first delimiter after opening is dropped, as it may be the tail of a frame whose
    /// beginning was missed. Default: false.
    pub drop_first: bool,
}

/// Where a frame begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// A delimiter ends a frame.
    Lines {
        /// At least one byte.
        delimiter: Vec<u8>,
    },
    /// Every frame has the same length.
    Fixed {
        /// What every frame begins with; empty: nothing certain.
        start: Vec<u8>,
        /// Of the whole frame with start and checksum, in bytes.
        length: usize,
    },
    /// A frame begins with its length.
    LengthPrefix {
        /// What stands before the length; empty: nothing.
        start: Vec<u8>,
        /// 1, 2 or 4.
        prefix_bytes: usize,
        /// Of the prefix.
        order: ByteOrder,
        /// What the length counts.
        counts: LengthCounts,
    },
    /// A frame stands between the characters STX (2) and ETX (3); its checksum follows ETX.
    StxEtx,
    /// RFC 1055.
    Slip,
    /// Consistent Overhead Byte Stuffing; a zero ends a frame.
    Cobs,
}

impl Framing {
    /// Tells whether a frame is found by what stands in it, rather than by a byte that stands nowhere else.
    #[must_use]
    pub const fn slides(&self) -> bool {
        matches!(self, Self::Fixed { .. } | Self::LengthPrefix { .. })
    }
}

/// Which end of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ByteOrder {
    /// The most significant byte.
    #[default]
    Big,
    /// The least significant byte.
    Little,
}

/// What the length in front of a frame counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LengthCounts {
    /// The record alone.
    #[default]
    Payload,
    /// All that follows the prefix: record and checksum.
    Rest,
    /// Everything, from the first byte of the frame to the last.
    Frame,
}

/// A frame's last bytes, which follow from those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    /// How it is computed.
    pub kind: ChecksumKind,
    /// Of its bytes. Default: big.
    pub order: ByteOrder,
    /// The first byte of the frame that it covers; start, prefix and STX count. Default: 0.
    pub from: usize,
    /// Whether it is written as hexadecimal digits. Default: false.
    pub as_text: bool,
}

/// The usual polynomials, by their names in the catalogue of parametrised CRC algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumKind {
    /// CRC-8/SMBUS.
    Crc8,
    /// CRC-16/MODBUS.
    Crc16Modbus,
    /// CRC-16/IBM-3740, known as CCITT-FALSE.
    Crc16Ccitt,
    /// CRC-32/ISO-HDLC, as in Ethernet and zip.
    Crc32,
}

impl ChecksumKind {
    /// Returns how many bytes it has.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Crc8 => 1,
            Self::Crc16Modbus | Self::Crc16Ccitt => 2,
            Self::Crc32 => 4,
        }
    }
}

impl Checksum {
    /// Returns how many bytes of the frame it takes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        if self.as_text { self.kind.bytes() * 2 } else { self.kind.bytes() }
    }
}

impl Default for FramingSettings {
    fn default() -> Self {
        Self {
            framing: Framing::Lines { delimiter: b"\n".to_vec() },
            checksum: None,
            max_frame_bytes: 1024,
            drop_first: false,
        }
    }
}

pub(super) const ORDERS: [(&str, ByteOrder); 2] = [("big", ByteOrder::Big), ("little", ByteOrder::Little)];

pub(super) fn read(section: &mut Section<'_>) -> FramingSettings {
    let max_frame_bytes = section.bytes("max_frame_bytes", 1024, 8..=MAX_FRAME_BYTES) as usize;
    let framing = read_framing(section, max_frame_bytes);
    let checksum = read_checksum(section);
    if let Some(checksum) = &checksum {
        if matches!(framing, Framing::Lines { .. }) && !checksum.as_text {
            let reason = "must be true with lines: a checksum's bytes may be those of the delimiter";
            section.fault("checksum_text", reason);
        }
        if matches!(framing, Framing::Fixed { length, .. } if length <= checksum.bytes() + checksum.from) {
            section.fault("length", "leaves no room for a record beside the checksum");
        }
    }
    FramingSettings { framing, checksum, max_frame_bytes, drop_first: section.flag("drop_first", false) }
}

fn read_framing(section: &mut Section<'_>, max_frame_bytes: usize) -> Framing {
    let kinds = [("lines", 0), ("fixed", 1), ("length_prefix", 2), ("stx_etx", 3), ("slip", 4), ("cobs", 5)];
    let kind = section.choice("framing", 0, &kinds);
    let delimiter = section.text("delimiter", "\n").into_bytes();
    let start = super::read_hex(section, "start");
    let length = section.number("length", 16, 1..=MAX_FRAME_BYTES) as usize;
    let prefix_bytes = section.number("prefix_bytes", 1, 1..=4) as usize;
    let order = section.choice("prefix_order", ByteOrder::Big, &ORDERS);
    let counted =
        [("payload", LengthCounts::Payload), ("rest", LengthCounts::Rest), ("frame", LengthCounts::Frame)];
    let counts = section.choice("length_counts", LengthCounts::Payload, &counted);
    if delimiter.is_empty() {
        section.fault("delimiter", "must have at least one character");
    }
    if prefix_bytes == 3 {
        section.fault("prefix_bytes", "must be 1, 2 or 4");
    }
    if kind == 1 && (length > max_frame_bytes || length <= start.len()) {
        section.fault("length", "must be more than start has, and at most max_frame_bytes");
    }
    match kind {
        1 => Framing::Fixed { start, length },
        2 => Framing::LengthPrefix { start, prefix_bytes, order, counts },
        3 => Framing::StxEtx,
        4 => Framing::Slip,
        5 => Framing::Cobs,
        _ => Framing::Lines { delimiter },
    }
}

fn read_checksum(section: &mut Section<'_>) -> Option<Checksum> {
    let kinds = [
        ("none", None),
        ("crc8", Some(ChecksumKind::Crc8)),
        ("crc16_modbus", Some(ChecksumKind::Crc16Modbus)),
        ("crc16_ccitt", Some(ChecksumKind::Crc16Ccitt)),
        ("crc32", Some(ChecksumKind::Crc32)),
    ];
    let kind = section.choice("checksum", None, &kinds);
    let order = section.choice("checksum_order", ByteOrder::Big, &ORDERS);
    let from = section.number("checksum_from", 0, 0..=64) as usize;
    let as_text = section.flag("checksum_text", false);
    kind.map(|kind| Checksum { kind, order, from, as_text })
}
