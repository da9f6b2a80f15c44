//! Whether a frame is what was sent.

use crc::{CRC_8_SMBUS, CRC_16_IBM_3740, CRC_16_MODBUS, CRC_32_ISO_HDLC, Crc};

use crate::config::serial::{ByteOrder, Checksum, ChecksumKind};

const CRC8: Crc<u8> = Crc::<u8>::new(&CRC_8_SMBUS);
const CRC16_MODBUS: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);
const CRC16_CCITT: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_3740);
const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// How many of any bytes pass a checksum by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    OneIn256,
    OneIn65536,
    Strong,
}

/// A line's checksum.
#[derive(Debug, Clone)]
pub(super) struct Check(Checksum);

impl Check {
    pub(super) const fn new(checksum: Checksum) -> Self {
        Self(checksum)
    }

    /// Returns how many bytes of a frame it takes.
    pub(super) const fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Returns how far it can be trusted when many places are tried.
    pub(super) const fn strength(&self) -> Strength {
        match self.0.kind {
            ChecksumKind::Crc8 => Strength::OneIn256,
            ChecksumKind::Crc16Modbus | ChecksumKind::Crc16Ccitt => Strength::OneIn65536,
            ChecksumKind::Crc32 => Strength::Strong,
        }
    }

    /// Takes the checksum from a frame's end; none when it does not hold.
    pub(super) fn verified<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let (covered, written) = frame.split_at_checked(frame.len().checked_sub(self.bytes())?)?;
        let computed = self.compute(covered.get(self.0.from..).filter(|bytes| !bytes.is_empty())?);
        let holds =
            if self.0.as_text { hex(&computed).eq_ignore_ascii_case(written) } else { computed == written };
        holds.then_some(covered)
    }

    /// Computes the checksum of `covered` as it stands in a frame, except that hexadecimal digits are not written yet.
    pub(super) fn compute(&self, covered: &[u8]) -> Vec<u8> {
        let mut bytes = match self.0.kind {
            ChecksumKind::Crc8 => vec![CRC8.checksum(covered)],
            ChecksumKind::Crc16Modbus => CRC16_MODBUS.checksum(covered).to_be_bytes().to_vec(),
            ChecksumKind::Crc16Ccitt => CRC16_CCITT.checksum(covered).to_be_bytes().to_vec(),
            ChecksumKind::Crc32 => CRC32.checksum(covered).to_be_bytes().to_vec(),
        };
        if self.0.order == ByteOrder::Little {
            bytes.reverse();
        }
        bytes
    }
}

pub(super) fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect()
}
