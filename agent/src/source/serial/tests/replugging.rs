//! An instrument that is unplugged and plugged in again, under another name each time.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::world::World;
use crate::config::SerialSettings;
use crate::config::serial::{
    BinaryField, ByteOrder, ChecksumKind, FieldType, Framing, FramingSettings, LengthCounts, RecordFormat,
    RecordSettings,
};
use crate::decode::frame::packing::{checksum, pack};

const ROUNDS: u32 = 50;
const FRAMES_A_ROUND: u32 = 20;

fn counting_instrument(framing: Framing, kind: ChecksumKind) -> SerialSettings {
    let field = BinaryField {
        name: "count".into(),
        offset: 0,
        field_type: FieldType::U32,
        order: ByteOrder::Big,
        scale: 1.0,
        add: 0.0,
        unit: String::new(),
    };
    SerialSettings {
        framing: FramingSettings { framing, checksum: Some(checksum(kind)), ..FramingSettings::default() },
        record: RecordSettings { format: RecordFormat::Binary(vec![field]), ..RecordSettings::default() },
        ..SerialSettings::default()
    }
}

async fn every_intact_frame_is_stored_once(settings: SerialSettings, seed: u64) {
    let framing = settings.framing.clone();
    let world = World::start(settings);
    let mut chance = StdRng::seed_from_u64(seed);
    let mut sent = 0;
    let mut garbage_runs = 0;
    let mut garbage_before = false;
    for _ in 0..ROUNDS {
        let mut instrument = world.plug().await;
        for _ in 0..FRAMES_A_ROUND {
            let mut bytes = Vec::new();
            if chance.random_bool(0.5) {
                bytes.resize_with(chance.random_range(1..60), || chance.random());
                garbage_before = true;
            }
            bytes.extend(pack(&framing, &u32::to_be_bytes(sent)));
            garbage_runs += u64::from(std::mem::take(&mut garbage_before));
            sent += 1;
            // Half frames: every frame comes in two pieces.
            let half = chance.random_range(0..bytes.len());
            instrument.say(&bytes[..half]).await;
            tokio::task::yield_now().await;
            instrument.say(&bytes[half..]).await;
        }
        world.until(|counts| counts.frames == u64::from(sent)).await;
        // The half frame is with the source before the plug is pulled.
        let whole = pack(&framing, &u32::MAX.to_be_bytes());
        let bytes_before = world.counters.counts().bytes;
        let half = &whole[..whole.len() / 2];
        instrument.say(half).await;
        world.until(|counts| counts.bytes == bytes_before + half.len() as u64).await;
        world.unplug(instrument);
        garbage_before = true;
    }
    let (committed, counts) = world.stop().await;
    let expected: Vec<f64> = (0..sent).map(f64::from).collect();
    assert_eq!(committed.numbers(), expected);
    assert!(committed.dead_letters.is_empty() || framing.framing == Framing::Slip);
    assert_eq!(counts.frames, u64::from(ROUNDS * FRAMES_A_ROUND));
    assert_eq!(counts.openings, u64::from(ROUNDS));
    assert_eq!(counts.resynchronisations, garbage_runs);
}

#[tokio::test]
async fn with_length_and_checksum_every_intact_frame_is_stored_once_and_garbage_never() {
    let framing = Framing::LengthPrefix {
        start: vec![],
        prefix_bytes: 2,
        order: ByteOrder::Big,
        counts: LengthCounts::Payload,
    };
    every_intact_frame_is_stored_once(counting_instrument(framing, ChecksumKind::Crc32), 3).await;
}

#[tokio::test]
async fn with_slip_and_checksum_every_intact_frame_is_stored_once_and_garbage_never() {
    every_intact_frame_is_stored_once(counting_instrument(Framing::Slip, ChecksumKind::Crc16Modbus), 4).await;
}

#[tokio::test]
async fn a_silent_line_is_opened_anew() {
    let settings = SerialSettings { idle: Some(Duration::from_millis(200)), ..SerialSettings::default() };
    let world = World::start(settings);
    let mut instrument = world.plug().await;
    world.until(|counts| counts.idle >= 2 && counts.openings >= 3).await;
    instrument.say(b"7\n").await;
    world.until(|counts| counts.frames == 1).await;
    assert_eq!(world.stop().await.0.numbers(), [7.0]);
}

#[tokio::test]
async fn a_port_in_use_says_so_and_is_opened_once_it_is_free() {
    use crate::config::serial::{Device, PortSettings};
    use tokio_serial::SerialPort;
    let (_line, other_end) = tokio_serial::SerialStream::pair().expect("a pseudo terminal");
    let path = std::path::PathBuf::from(other_end.name().expect("a name"));
    let settings = PortSettings { device: Device::Path(path), ..PortSettings::default() };
    let root = std::path::Path::new("/");
    let held = crate::source::port::open(&settings, root).await.expect("free");
    let error = crate::source::port::open(&settings, root).await.expect_err("in use");
    assert!(error.to_string().contains("is in use by "), "{error}");
    drop(held);
    assert!(crate::source::port::open(&settings, root).await.is_ok());
}

#[tokio::test]
async fn dead_letters_of_a_broken_line_are_bounded_and_all_are_counted() {
    let world = World::start(SerialSettings::default());
    let mut instrument = world.plug().await;
    for _ in 0..1000 {
        instrument.say(b"out of order\n").await;
    }
    instrument.say(b"1\n").await;
    world.until(|counts| counts.frames == 1001).await;
    let (committed, counts) = world.stop().await;
    assert_eq!(counts.unreadable, 1000);
    assert_eq!(counts.unreadable - counts.withheld, committed.dead_letters.len() as u64);
    assert!((100..200).contains(&committed.dead_letters.len()), "{}", committed.dead_letters.len());
    let letter = &committed.dead_letters[0];
    assert_eq!((letter.origin.as_str(), letter.reason.as_str()), ("serial instrument", "not_a_number"));
}
