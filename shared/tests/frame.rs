//! What the frame promises: every bit comes back, every damage is noticed, no bytes can hurt the reader.

use std::sync::Arc;

use penstock_shared::batch::{Batch, Commit, Gap, GapReason};
use penstock_shared::frame::{self, FrameError, MAX_FRAME_COMMITS, MAX_PLAIN_BYTES, SealError};
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use proptest::prelude::*;

/// Version 1, pinned: a frame that a gateway in the field may hold. It must open for as long as version 1 is read.
const GOLDEN_V1: &str = include_str!("frame_v1.hex");

fn series(name: &str) -> Arc<Series> {
    Arc::new(Series::new(name, format!("gw1/{name}")).expect("a valid series"))
}

fn batch_of(commits: Vec<Vec<Reading>>) -> Batch {
    Batch {
        agent: AgentId::new("gw1").expect("a valid id"),
        epoch: Epoch(0x0123_4567_89ab_cdef),
        gaps: vec![Gap {
            first: CommitNumber(3),
            last: CommitNumber(6),
            readings: 9,
            reason: GapReason::Evicted,
        }],
        received_at: TimestampMicros(1_790_000_000_000_000),
        commits: (7..)
            .zip(commits)
            .map(|(number, readings)| Commit { number: CommitNumber(number), readings })
            .collect(),
    }
}

fn golden_batch() -> Batch {
    let (temperature, door) = (series("temperature"), series("door"));
    let reading = |series: &Arc<Series>, time: i64, value| Reading {
        series: Arc::clone(series),
        time: TimestampMicros(1_790_000_000_000_000 + time),
        value,
    };
    batch_of(vec![
        vec![
            reading(&temperature, 0, Value::Number(21.37)),
            reading(&door, 1_500, Value::Boolean(true)),
            reading(&temperature, 2_000, Value::Number(21.4)),
        ],
        vec![],
        vec![
            reading(&door, 3_000, Value::Text("ajar".into())),
            reading(&temperature, 1, Value::Number(-3.0)),
        ],
    ])
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(char::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hexadecimal"))
        .collect()
}

fn assert_same(left: &Batch, right: &Batch) {
    assert_eq!(
        (&left.agent, left.epoch, &left.gaps, left.received_at),
        (&right.agent, right.epoch, &right.gaps, right.received_at)
    );
    assert_eq!(left.commits.len(), right.commits.len());
    for (one, other) in left.commits.iter().zip(&right.commits) {
        assert_eq!((one.number, one.readings.len()), (other.number, other.readings.len()));
        for (a, b) in one.readings.iter().zip(&other.readings) {
            assert!(
                a.series == b.series && a.time == b.time && a.value.same_bits(&b.value),
                "{a:?} became {b:?}"
            );
        }
    }
}

#[test]
fn a_frame_of_version_1_opens_for_ever() {
    assert_same(&frame::open(&from_hex(GOLDEN_V1)).expect("the golden frame opens"), &golden_batch());
}

#[test]
fn today_s_encoder_still_writes_the_pinned_bytes() {
    let sealed = frame::seal(&golden_batch()).expect("seals");
    let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN_V1.split_whitespace().collect::<String>(), "a changed encoding is a new version");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let sealed = frame::seal(&golden_batch()).expect("seals");
    for bit in 0..sealed.len() * 8 {
        let mut damaged = sealed.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(frame::read_header(&damaged).is_err(), "bit {bit} went unnoticed");
    }
}

#[test]
fn every_truncation_and_any_trailing_byte_is_refused() {
    let mut sealed = frame::seal(&golden_batch()).expect("seals");
    for length in 0..sealed.len() {
        assert!(frame::open(&sealed[..length]).is_err(), "{length} bytes were taken for a frame");
    }
    sealed.push(0);
    assert_eq!(frame::open(&sealed), Err(FrameError::TrailingBytes(1)));
}

/// Replaces the body of a frame and makes its checksum right again, as an attacker would.
fn with_body(sealed: &[u8], plain_bytes: u32, body: &[u8]) -> Vec<u8> {
    let header_bytes = u32::from_le_bytes(sealed[1..5].try_into().expect("four bytes")) as usize;
    let mut forged = sealed[..5 + header_bytes].to_vec();
    forged.extend(plain_bytes.to_le_bytes());
    forged.extend((body.len() as u32).to_le_bytes());
    forged.extend(body);
    forged.extend(xxhash_rust::xxh3::xxh3_64(&forged).to_le_bytes());
    forged
}

#[test]
fn a_zstd_bomb_is_refused_whatever_it_declares() {
    let sealed = frame::seal(&golden_batch()).expect("seals");
    let bomb = zstd::bulk::compress(&vec![0; 256 * 1024 * 1024], 19).expect("compresses");
    let honest = with_body(&sealed, 256 * 1024 * 1024, &bomb);
    assert!(matches!(frame::open(&honest), Err(FrameError::TooLarge { .. })));
    let lying = with_body(&sealed, MAX_PLAIN_BYTES as u32, &bomb);
    assert!(matches!(frame::open(&lying), Err(FrameError::Compression(_))));
}

#[test]
fn a_frame_of_nothing_but_empty_commits_is_bounded_too() {
    let mut batch = golden_batch();
    batch.gaps.clear();
    let empty = |number| Commit { number: CommitNumber(number), readings: Vec::new() };
    batch.commits = (1..=MAX_FRAME_COMMITS as u64).map(empty).collect();
    assert!(frame::seal(&batch).is_ok());
    batch.commits.push(empty(MAX_FRAME_COMMITS as u64 + 1));
    assert!(matches!(frame::seal(&batch), Err(SealError::TooLarge { .. })));
}

#[test]
fn gaps_that_do_not_lead_up_to_the_batch_are_refused() {
    let mut batch = golden_batch();
    batch.gaps[0].last = CommitNumber(5);
    let sealed = frame::seal(&batch).expect("seals");
    assert!(matches!(frame::read_header(&sealed), Err(FrameError::Header(_))));
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(|bits| Value::Number(f64::from_bits(bits))),
        (-1_000_000_i64..1_000_000, 0_i32..9)
            .prop_map(|(n, scale)| Value::Number(n as f64 / 10_f64.powi(scale))),
        prop_oneof![Just(-0.0), Just(f64::INFINITY), Just(9.007e15), Just(1e14), Just(0.01)]
            .prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,40}".prop_map(Value::Text),
    ]
}

proptest! {
    #[test]
    fn every_bit_of_every_reading_comes_back(
        commits in prop::collection::vec(
            prop::collection::vec((0_usize..5, 0..=TimestampMicros::MAX.0, any_value()), 0..20), 1..6),
        coarse in any::<bool>(),
    ) {
        let dictionary: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(series).collect();
        let unit = if coarse { 1_000 } else { 1 };
        let batch = batch_of(commits.into_iter().map(|readings| readings.into_iter().map(|(index, time, value)| Reading {
            series: Arc::clone(&dictionary[index]), time: TimestampMicros(time / unit * unit), value,
        }).collect()).collect());
        let sealed = frame::seal(&batch).expect("seals");
        assert_same(&frame::open(&sealed).expect("opens"), &batch);
        prop_assert_eq!(frame::read_header(&sealed).expect("reads").last, batch.commits.last().expect("one").number);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200), plain in any::<u32>()) {
        let sealed = frame::seal(&golden_batch()).expect("seals");
        prop_assert!(frame::open(&body).is_err());
        let _refused = frame::open(&with_body(&sealed, plain, &body)).is_err();
        let packed = zstd::bulk::compress(&body, 1).expect("compresses");
        let _refused = frame::open(&with_body(&sealed, body.len() as u32, &packed)).is_err();
    }
}
