//! Records of serial lines, from one frame to readings.

use std::sync::LazyLock;

use penstock_agent::config::serial::RecordSettings;
use penstock_agent::decode::SampleDecoder;
use penstock_agent::decode::record::RecordParser;

use crate::memory::bounded;
use crate::messages::{gateway, settings};
use crate::outcome::{NOW, check_each};

/// A longer frame is none: `max_frame_bytes` allows no more.
const MOST_RECORD_BYTES: usize = 16 * 1024;

/// One line of each kind, as an operator writes it.
const SERIAL: &str = r#"
[[serial]]
name = "number"
port = "/dev/null"
type = "weight"
units = { weight = "kg" }
[[serial]]
name = "csv"
port = "/dev/null"
format = "csv"
columns = ["a", "", "b", "state"]
texts = ["state"]
separator = ";"
[[serial]]
name = "key_value"
port = "/dev/null"
format = "key_value"
[[serial]]
name = "json"
port = "/dev/null"
format = "json"
texts = ["state"]
[[serial]]
name = "json_pointers"
port = "/dev/null"
format = "json"
values = { a = "/a", b = "/b/0/c" }
time = "/ts"
[[serial]]
name = "regex"
port = "/dev/null"
format = "regex"
pattern = "^W *(?<weight>[-+0-9.]+) *(?<state>[A-Z]*)"
texts = ["state"]
[[serial]]
name = "binary"
port = "/dev/null"
format = "binary"
[[serial.field]]
type = "a"
number = "i16"
scale = 0.1
[[serial.field]]
type = "b"
offset = 2
number = "f32"
order = "little"
[[serial.field]]
type = "c"
offset = 6
number = "f64"
add = 1.5
[[serial]]
name = "nmea"
port = "/dev/null"
format = "nmea0183"
"#;

static RECORDS: LazyLock<Vec<RecordSettings>> = LazyLock::new(|| {
    let settings = settings(SERIAL);
    settings.serials.into_iter().map(|serial| serial.record).collect()
});

/// A byte that chooses the kind of record, and the record.
pub(crate) fn target(bytes: &[u8]) {
    let Some((kind, record)) = bytes.split_first() else { return };
    // A digit, so that seeds are text.
    let kinds = RECORDS.len() - 1;
    read(&RECORDS[usize::from(kind.wrapping_sub(b'0')) % kinds], record);
}

/// A sentence of NMEA 0183, as it is and with the checksum that it should have.
pub(crate) fn nmea(bytes: &[u8]) {
    let Some(settings) = RECORDS.last() else { return };
    read(settings, bytes);
    let body = bytes.strip_prefix(b"$").unwrap_or(bytes);
    let body = &body[..body.iter().position(|byte| *byte == b'*').unwrap_or(body.len())];
    let checksum = body.iter().fold(0, |sum, byte| sum ^ byte);
    read(settings, &[b"$", body, format!("*{checksum:02X}").as_bytes()].concat());
}

fn read(settings: &RecordSettings, record: &[u8]) {
    let record = &record[..record.len().min(MOST_RECORD_BYTES)];
    let parser = RecordParser::new(settings.clone());
    let parsed = bounded(|| parser.parse(record));
    let (samples, unreadable) = match parsed {
        Ok(samples) => (samples, Vec::new()),
        Err(unreadable) => (Vec::new(), vec![unreadable]),
    };
    // Nothing is found in a sentence of another kind only, or in an object without numbers.
    let expected = samples.len() + unreadable.len();
    let mut decoder = SampleDecoder::new(&gateway(), true, "line");
    let decoded = bounded(|| decoder.decode("serial line", samples, unreadable, NOW));
    assert_eq!(decoded.readings.len() + decoded.dead_letters.len(), expected);
    check_each(&decoded);
}
