//! The other end of a line: packs records as an instrument does.

use super::checksum::{Check, hex};
use crate::config::serial::{ByteOrder, Checksum, ChecksumKind, Framing, FramingSettings, LengthCounts};

pub(crate) fn checksum(kind: ChecksumKind) -> Checksum {
    Checksum { kind, order: ByteOrder::Little, from: 0, as_text: false }
}

/// Every framing with every checksum that goes with it.
pub(crate) fn every_framing() -> Vec<FramingSettings> {
    let prefixed = |start: &[u8], prefix_bytes, counts| Framing::LengthPrefix {
        start: start.to_vec(),
        prefix_bytes,
        order: ByteOrder::Little,
        counts,
    };
    let framings = [
        Framing::Lines { delimiter: b"\r\n".to_vec() },
        Framing::Fixed { start: vec![], length: 24 },
        Framing::Fixed { start: vec![0xAA, 0x55], length: 24 },
        prefixed(&[], 1, LengthCounts::Payload),
        prefixed(&[], 2, LengthCounts::Rest),
        prefixed(&[0xAA], 4, LengthCounts::Frame),
        Framing::StxEtx,
        Framing::Slip,
        Framing::Cobs,
    ];
    let kinds =
        [ChecksumKind::Crc8, ChecksumKind::Crc16Modbus, ChecksumKind::Crc16Ccitt, ChecksumKind::Crc32];
    let checks = || std::iter::once(None).chain(kinds.map(|kind| Some(checksum(kind))));
    let mut all = Vec::new();
    for framing in &framings {
        for mut check in checks() {
            if let (Some(check), Framing::Lines { .. } | Framing::StxEtx) = (&mut check, framing) {
                check.as_text = true;
            }
            all.push(FramingSettings {
                framing: framing.clone(),
                checksum: check,
                ..FramingSettings::default()
            });
        }
    }
    all
}

/// Packs a record; one of a fixed length is filled up with full stops.
pub(crate) fn pack(settings: &FramingSettings, record: &[u8]) -> Vec<u8> {
    let check = settings.checksum.map(Check::new);
    let check_bytes = check.as_ref().map_or(0, Check::bytes);
    let mut frame = head(&settings.framing, record.len(), check_bytes);
    frame.extend_from_slice(record);
    match &settings.framing {
        Framing::Fixed { length, .. } => frame.resize(length - check_bytes, b'.'),
        Framing::StxEtx => frame.push(3),
        _ => {}
    }
    if let Some(check) = &check {
        let from = settings.checksum.map_or(0, |checksum| checksum.from);
        let sum = check.compute(&frame[from..]);
        let is_text = settings.checksum.is_some_and(|checksum| checksum.as_text);
        frame.extend(if is_text { hex(&sum) } else { sum });
    }
    match &settings.framing {
        Framing::Lines { delimiter } => frame.extend_from_slice(delimiter),
        Framing::Slip => frame = slip(&frame),
        Framing::Cobs => frame = cobs(&frame),
        _ => {}
    }
    frame
}

fn head(framing: &Framing, record_bytes: usize, check_bytes: usize) -> Vec<u8> {
    match framing {
        Framing::Fixed { start, .. } => start.clone(),
        Framing::StxEtx => vec![2],
        Framing::LengthPrefix { start, prefix_bytes, order, counts } => {
            let told = match counts {
                LengthCounts::Payload => record_bytes,
                LengthCounts::Rest => record_bytes + check_bytes,
                LengthCounts::Frame => start.len() + prefix_bytes + record_bytes + check_bytes,
            };
            let mut prefix = told.to_le_bytes()[..*prefix_bytes].to_vec();
            if *order == ByteOrder::Big {
                prefix.reverse();
            }
            [start.clone(), prefix].concat()
        }
        _ => Vec::new(),
    }
}

fn slip(frame: &[u8]) -> Vec<u8> {
    // An end before the frame as well, as RFC 1055 advises: it parts the frame from the noise before it.
    let mut packed = vec![0xC0];
    for byte in frame {
        match byte {
            0xC0 => packed.extend([0xDB, 0xDC]),
            0xDB => packed.extend([0xDB, 0xDD]),
            other => packed.push(*other),
        }
    }
    packed.push(0xC0);
    packed
}

fn cobs(frame: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let runs: Vec<&[u8]> = frame.split(|byte| *byte == 0).collect();
    for (place, run) in runs.iter().enumerate() {
        let mut chunks = run.chunks(254).peekable();
        if run.is_empty() {
            packed.push(1);
        }
        while let Some(chunk) = chunks.next() {
            packed.push(u8::try_from(chunk.len() + 1).expect("at most 255"));
            packed.extend_from_slice(chunk);
            // A full run has no zero behind it, so the zero of a run's end needs a code of its own.
            let ends_run = chunks.peek().is_none() && place + 1 < runs.len();
            if chunk.len() == 254 && ends_run {
                packed.push(1);
            }
        }
    }
    packed.push(0);
    packed
}
