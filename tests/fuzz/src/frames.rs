//! Framings of serial lines. The same frames are found however a stream is cut.

use penstock_agent::config::serial::{
    ByteOrder, Checksum, ChecksumKind, Framing, FramingSettings, LengthCounts,
};
use penstock_agent::decode::frame::{Cut, FrameCounts, Framer};

use crate::memory::bounded;

/// Longer streams are cut off: a line has no more at a time, and what is found in 64 kB is found behind them.
const MOST_STREAM_BYTES: usize = 64 * 1024;

const START: &[u8] = &[0xAA, 0x55];

/// Choices of an input: the framing, the checksum, the longest frame, and how the stream is cut.
const CHOICES: usize = 4;

/// Four bytes that choose, and a stream.
pub(crate) fn target(bytes: &[u8]) {
    let Some((choices, stream)) = bytes.split_first_chunk::<CHOICES>() else { return };
    let stream = &stream[..stream.len().min(MOST_STREAM_BYTES)];
    let settings = framing(*choices);
    // How much of the rest is garbage and how much a line's end depends on the pieces; it is counted, no more.
    let (records, counts) = found(&settings, stream, stream.len());
    let (in_pieces, _) = found(&settings, stream, usize::from(choices[3]).max(1));
    if !is_searched_by_16_bits(&settings) {
        assert_eq!(records, in_pieces, "{settings:?}");
    }
    assert_eq!(counts.frames, records.len() as u64);
    assert!(records.iter().all(|record| record.len() <= settings.max_frame_bytes));
    let framed: usize = records.iter().map(Vec::len).sum();
    assert!(framed as u64 + counts.garbage_bytes <= stream.len() as u64, "more came out than went in");
}

/// Where 16 bits alone tell a frame from what lies between frames, a frame is taken before what follows is there. Bytes
/// can be made that hold two streams of frames at once; which of them is found then depends on the pieces.
fn is_searched_by_16_bits(settings: &FramingSettings) -> bool {
    let has_16_bits = settings.checksum.is_some_and(|checksum| {
        matches!(checksum.kind, ChecksumKind::Crc16Modbus | ChecksumKind::Crc16Ccitt)
    });
    let start = match &settings.framing {
        Framing::Fixed { start, .. } | Framing::LengthPrefix { start, .. } => start,
        _ => return false,
    };
    has_16_bits && start.is_empty()
}

/// Returns the framing that the first bytes of an input choose.
pub(crate) fn framing(choices: [u8; CHOICES]) -> FramingSettings {
    let prefixed = |start: &[u8], prefix_bytes, order, counts| Framing::LengthPrefix {
        start: start.to_vec(),
        prefix_bytes,
        order,
        counts,
    };
    let framing = match choices[0] % 10 {
        0 => Framing::Lines { delimiter: b"\n".to_vec() },
        1 => Framing::Lines { delimiter: b"\r\n".to_vec() },
        2 => Framing::Fixed { start: Vec::new(), length: 12 },
        3 => Framing::Fixed { start: START.to_vec(), length: 12 },
        4 => prefixed(&[], 1, ByteOrder::Big, LengthCounts::Payload),
        5 => prefixed(&[], 2, ByteOrder::Little, LengthCounts::Rest),
        6 => prefixed(START, 4, ByteOrder::Big, LengthCounts::Frame),
        7 => Framing::StxEtx,
        8 => Framing::Slip,
        _ => Framing::Cobs,
    };
    let kind = match choices[1] % 5 {
        0 => None,
        1 => Some(ChecksumKind::Crc8),
        2 => Some(ChecksumKind::Crc16Modbus),
        3 => Some(ChecksumKind::Crc16Ccitt),
        _ => Some(ChecksumKind::Crc32),
    };
    let as_text = matches!(framing, Framing::Lines { .. } | Framing::StxEtx);
    let checksum = kind.map(|kind| Checksum { kind, order: ByteOrder::Little, from: 0, as_text });
    let max_frame_bytes = if choices[2] & 1 == 0 { 64 } else { FramingSettings::default().max_frame_bytes };
    FramingSettings { framing, checksum, max_frame_bytes, drop_first: choices[2] & 2 == 2 }
}

fn found(settings: &FramingSettings, stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, FrameCounts) {
    let (cuts, counts) = bounded(|| {
        let mut framer = Framer::new(settings);
        let mut cuts = Vec::new();
        stream.chunks(piece.max(1)).for_each(|piece| framer.feed(piece, &mut cuts));
        framer.end(&mut cuts);
        (cuts, framer.counts())
    });
    let records = cuts.into_iter().filter_map(|cut| match cut {
        Cut::Record { record, .. } => Some(record),
        Cut::Bad { .. } => None,
    });
    (records.collect(), counts)
}
