//! Every framing, whole and damaged.

use proptest::prelude::*;

use super::packing::{checksum, every_framing, pack};
use super::*;
use crate::config::serial::{ChecksumKind, Framing};

/// Feeds in pieces of the given lengths, over and over, and then ends the line.
fn cut(settings: &FramingSettings, bytes: &[u8], pieces: &[usize]) -> (Vec<Cut>, FrameCounts) {
    let mut framer = Framer::new(settings);
    let mut cuts = Vec::new();
    let mut rest = bytes;
    for piece in pieces.iter().cycle() {
        let (now, later) = rest.split_at((*piece).clamp(1, rest.len().max(1)).min(rest.len()));
        framer.feed(now, &mut cuts);
        assert!(framer.buffer.len() <= CHUNK + 2 * settings.max_frame_bytes + 8, "the buffer is bounded");
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    framer.end(&mut cuts);
    assert!(framer.buffer.is_empty());
    (cuts, framer.counts())
}

fn records(cuts: &[Cut]) -> Vec<Vec<u8>> {
    let intact = cuts.iter().filter_map(|cut| match cut {
        Cut::Record { record, .. } => Some(record.clone()),
        Cut::Bad { .. } => None,
    });
    intact.collect()
}

/// A record that no framing packs otherwise than it is: all have their length, none has a delimiter.
fn record(number: usize) -> Vec<u8> {
    format!("record {number:09}").into_bytes()
}

fn stream(settings: &FramingSettings, garbage: &[Vec<u8>]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut bytes = Vec::new();
    let mut sent = Vec::new();
    for (number, noise) in garbage.iter().enumerate() {
        bytes.extend_from_slice(noise);
        let frame = pack(settings, &record(number));
        // A delimiter parts garbage from the frame behind it; without one both are one bad frame.
        match &settings.framing {
            Framing::Lines { delimiter } => bytes.extend_from_slice(delimiter),
            Framing::Cobs => bytes.push(0),
            _ => {}
        }
        bytes.extend_from_slice(&frame);
        sent.push(record(number));
    }
    (bytes, sent)
}

fn unpadded(records: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let trim =
        |record: Vec<u8>| record.trim_ascii_end().strip_suffix(b".").map_or(record.clone(), <[u8]>::to_vec);
    records
        .into_iter()
        .map(|mut record| {
            while record.ends_with(b".") {
                record = trim(record);
            }
            record
        })
        .collect()
}

#[test]
fn every_framing_gives_back_what_was_packed_however_it_is_cut() {
    for settings in every_framing() {
        let (bytes, sent) = stream(&settings, &vec![Vec::new(); 20]);
        for pieces in [vec![1], vec![bytes.len()], vec![3, 7, 1, 40]] {
            let (cuts, counts) = cut(&settings, &bytes, &pieces);
            assert_eq!(unpadded(records(&cuts)), sent, "{settings:?} in {pieces:?}");
            let expected = FrameCounts { frames: 20, ..FrameCounts::default() };
            assert_eq!(counts, expected, "{settings:?} in {pieces:?}");
        }
    }
}

#[test]
fn a_frame_that_ended_earlier_says_how_many_bytes_ago() {
    let settings = FramingSettings::default();
    let mut cuts = Vec::new();
    Framer::new(&settings).feed(b"1\n22\n333\n4", &mut cuts);
    let behind: Vec<_> =
        cuts.iter().map(|cut| matches!(cut, Cut::Record { behind, .. } if *behind > 0)).collect();
    assert_eq!(behind, [true, true, true]);
    assert!(matches!(&cuts[1], Cut::Record { behind: 5, .. }), "{cuts:?}");
}

#[test]
fn a_half_line_is_no_line_and_a_long_one_is_set_aside_once() {
    let settings = FramingSettings { max_frame_bytes: 8, ..FramingSettings::default() };
    let (cuts, counts) = cut(&settings, b"12.5\n123456789012345678901234567890\r\n7\r\n\r\n1", &[2]);
    assert_eq!(records(&cuts), [b"12.5".to_vec(), b"7".to_vec()]);
    assert_eq!((counts.malformed, counts.resynchronisations), (1, 1));
    assert!(cuts.iter().any(|cut| matches!(cut, Cut::Bad { reason: Reason::PayloadTooLarge, .. })));
}

#[test]
fn the_tail_of_a_line_that_was_missed_can_be_dropped() {
    let settings = FramingSettings { drop_first: true, ..FramingSettings::default() };
    let (cuts, _) = cut(&settings, b"2.5\n12.6\n", &[1]);
    assert_eq!(records(&cuts), [b"12.6".to_vec()]);
}

#[test]
fn a_begun_long_frame_does_not_hold_back_whole_ones_once_the_line_is_silent() {
    for settings in every_framing() {
        let Framing::LengthPrefix { start, .. } = &settings.framing else { continue };
        if settings.checksum.is_none() {
            continue;
        }
        let (frames, sent) = stream(&settings, &vec![Vec::new(); 2]);
        let mut framer = Framer::new(&settings);
        let mut cuts = Vec::new();
        framer.feed(&[start.clone(), vec![250, 0]].concat(), &mut cuts);
        framer.feed(&frames, &mut cuts);
        framer.settle(&mut cuts);
        framer.settle(&mut cuts);
        assert_eq!(records(&cuts), sent, "{settings:?}");
    }
}

#[test]
fn a_line_in_break_condition_holds_no_frame() {
    for settings in every_framing().into_iter().filter(|settings| settings.checksum.is_some()) {
        let (cuts, _) = cut(&settings, &[0; 5000], &[100]);
        assert_eq!(records(&cuts), Vec::<Vec<u8>>::new(), "{settings:?}");
    }
}

#[test]
fn checksums_are_those_of_the_catalogue() {
    // The check values of "123456789" in the catalogue of parametrised CRC algorithms.
    for (kind, expected) in [
        (ChecksumKind::Crc8, vec![0xF4]),
        (ChecksumKind::Crc16Modbus, vec![0x37, 0x4B]),
        (ChecksumKind::Crc16Ccitt, vec![0xB1, 0x29]),
        (ChecksumKind::Crc32, vec![0x26, 0x39, 0xF4, 0xCB]),
    ] {
        let check = super::checksum::Check::new(checksum(kind));
        assert_eq!(check.compute(b"123456789"), expected, "{kind:?}");
    }
}

fn noise() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..60, 1..8)
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_cause_no_panic_and_cut_alike(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        pieces in pieces(),
    ) {
        for settings in every_framing() {
            let settings = FramingSettings { max_frame_bytes: 64, ..settings };
            let (in_pieces, _) = cut(&settings, &bytes, &pieces);
            let (in_bytes, _) = cut(&settings, &bytes, &[1]);
            prop_assert_eq!(records(&in_pieces), records(&in_bytes));
        }
    }

    #[test]
    fn with_a_checksum_every_intact_frame_behind_garbage_is_found_once_and_nothing_else(
        garbage in noise(),
        pieces in pieces(),
    ) {
        for settings in every_framing() {
            // A checksum of 32 bits, as shorter ones pass some garbage by chance.
            if settings.checksum.is_none_or(|checksum| checksum.kind != ChecksumKind::Crc32) {
                continue;
            }
            let (bytes, sent) = stream(&settings, &garbage);
            let (cuts, counts) = cut(&settings, &bytes, &pieces);
            prop_assert_eq!(unpadded(records(&cuts)), sent, "{:?}", settings);
            prop_assert_eq!(counts.frames, garbage.len() as u64);
        }
    }
}
