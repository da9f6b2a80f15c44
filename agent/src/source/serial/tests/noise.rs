//! Lines on which one byte in a hundred is changed: what is intact is stored once, and what a checksum guards is never
//! stored wrong.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::world::{Committed, World};
use crate::config::SerialSettings;
use crate::config::serial::{
    BinaryField, ByteOrder, ChecksumKind, FieldType, Framing, FramingSettings, PortSettings, RecordFormat,
    RecordSettings,
};
use crate::decode::frame::packing::{checksum, pack};

const FRAMES: u32 = 3000;
const CHANGED: f64 = 0.01;

/// Sends frames over a bad line; returns what was stored and the numbers of the frames that came through whole.
async fn over_a_bad_line(
    settings: SerialSettings,
    seed: u64,
    frame: impl Fn(u32) -> Vec<u8>,
) -> (Committed, Vec<u32>) {
    let world = World::start(settings);
    let mut instrument = world.plug().await;
    let mut chance = StdRng::seed_from_u64(seed);
    let mut intact = Vec::new();
    // A frame whose beginning is not certain, as the byte before it was changed, is not intact.
    let mut end_before_holds = true;
    for number in 0..FRAMES {
        let whole = frame(number);
        let mut bytes = whole.clone();
        for byte in &mut bytes {
            if chance.random_bool(CHANGED) {
                *byte ^= chance.random_range(1..=255_u8);
            }
        }
        if bytes == whole && end_before_holds {
            intact.push(number);
        }
        end_before_holds = bytes.last() == whole.last();
        instrument.say(&bytes).await;
    }
    // Three whole ones more, so that the last of them is surely recognised whatever came before.
    for number in FRAMES..FRAMES + 3 {
        instrument.say(&frame(number)).await;
        intact.extend((number > FRAMES).then_some(number));
    }
    let stored = world.committed.clone();
    let last = f64::from(FRAMES + 2);
    let came = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        while !stored.lock().expect("no panic").numbers().contains(&last) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    assert!(came.await.is_ok(), "the last frame is stored: {:?}", world.counters.counts());
    (world.stop().await.0, intact)
}

fn stored_once(committed: &Committed, intact: &[u32]) {
    let stored = committed.numbers();
    let mut rest = stored.iter();
    for number in intact {
        let found = rest.any(|stored| *stored == f64::from(*number));
        assert!(found, "frame {number} is not stored, or not in its place");
    }
    assert!(intact.len() > FRAMES as usize / 3, "the line is not that bad: {}", intact.len());
    assert!(stored.len() <= FRAMES as usize + 3);
}

fn stored_right_only(committed: &Committed) {
    let stored = committed.numbers();
    let distinct: BTreeSet<u64> = stored.iter().map(|number| number.to_bits()).collect();
    assert_eq!(distinct.len(), stored.len(), "nothing is stored twice");
    let wrong: Vec<_> = stored.iter().filter(|n| n.fract() != 0.0 || **n > f64::from(FRAMES + 2)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(stored.is_sorted(), "a wrong value would stand out of its order");
}

#[tokio::test]
async fn sentences_at_38400_baud() {
    let settings = SerialSettings {
        port: PortSettings { baud: 38_400, ..PortSettings::default() },
        record: RecordSettings { format: RecordFormat::Nmea0183, ..RecordSettings::default() },
        ..SerialSettings::default()
    };
    let sentence = |number: u32| {
        let body = format!("YXXDR,G,{number},,count,C,,C,TempAir,P,,B,Barometer");
        format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte)).into_bytes()
    };
    let (committed, intact) = over_a_bad_line(settings, 38_400, sentence).await;
    stored_once(&committed, &intact);
    stored_right_only(&committed);
}

#[tokio::test]
async fn a_scale_that_writes_columns() {
    let columns = ["", "weight", ""].map(str::to_owned).to_vec();
    let format = RecordFormat::Csv { columns, separator: ',' };
    let units = [("weight".to_owned(), "kg".to_owned())].into_iter().collect();
    let settings = SerialSettings {
        record: RecordSettings { format, units, texts: Vec::new() },
        ..SerialSettings::default()
    };
    let row = |number: u32| format!("ST,+{number:7}kg,GS\r\n").into_bytes();
    let (committed, intact) = over_a_bad_line(settings, 9600, row).await;
    stored_once(&committed, &intact);
    assert!(!committed.dead_letters.is_empty(), "what does not parse is kept with its reason");
}

#[tokio::test]
async fn a_sensor_in_slip_with_crc16() {
    let field = BinaryField {
        name: "count".into(),
        offset: 4,
        field_type: FieldType::U32,
        order: ByteOrder::Little,
        scale: 1.0,
        add: 0.0,
        unit: String::new(),
    };
    let framing = FramingSettings {
        framing: Framing::Slip,
        checksum: Some(checksum(ChecksumKind::Crc16Ccitt)),
        ..FramingSettings::default()
    };
    let settings = SerialSettings {
        framing: framing.clone(),
        record: RecordSettings { format: RecordFormat::Binary(vec![field]), ..RecordSettings::default() },
        ..SerialSettings::default()
    };
    let frame = |number: u32| pack(&framing, &[b"\xC0\xDB\x00~".as_slice(), &number.to_le_bytes()].concat());
    let (committed, intact) = over_a_bad_line(settings, 16, frame).await;
    stored_once(&committed, &intact);
    stored_right_only(&committed);
}
