//! Serial lines: pseudo terminals that take bytes as fast as the agent does.

use penstock_tests::world::Agent;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio_serial::{SerialPort, SerialStream};

use super::{Intake, WARM_UP, add, start};
use crate::sink::Sink;
use crate::table::Table;

const LINES_A_WRITE: u64 = 20;

/// An instrument.
struct Line {
    name: &'static str,
    settings: &'static str,
    frame: fn(u64) -> Vec<u8>,
}

const LINES: [Line; 3] = [
    Line { name: "CSV of five columns", settings: CSV, frame: csv },
    Line { name: "NMEA 0183 RMC", settings: "format = \"nmea0183\"\n", frame: nmea },
    Line { name: "SLIP, CRC-16 and five fields", settings: SLIP, frame: slip },
];

const CSV: &str = "format = \"csv\"\ncolumns = [\"a\", \"b\", \"c\", \"d\", \"e\"]\n";
const SLIP: &str = "framing = \"slip\"\nchecksum = \"crc16_modbus\"\nchecksum_order = \"little\"\nformat = \"binary\"\n\
    [[serial.field]]\ntype = \"a\"\nnumber = \"i16\"\nscale = 0.01\n\
    [[serial.field]]\ntype = \"b\"\noffset = 2\nnumber = \"i16\"\nscale = 0.01\n\
    [[serial.field]]\ntype = \"c\"\noffset = 4\nnumber = \"u16\"\n\
    [[serial.field]]\ntype = \"d\"\noffset = 6\nnumber = \"u16\"\n\
    [[serial.field]]\ntype = \"e\"\noffset = 8\nnumber = \"f32\"\n";

/// Measures each instrument, beside bare numbers by MQTT.
pub(super) async fn measure(table: &mut Table, plain: Intake) {
    for line in &LINES {
        add(table, &format!("serial, {}", line.name), intake(line).await, plain);
    }
}

async fn intake(line: &Line) -> Intake {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sink = Sink::start().await;
    let (instrument, other_end) = SerialStream::pair().expect("a pseudo terminal");
    let port = other_end.name().expect("a pseudo terminal has a name");
    let settings =
        format!("[[serial]]\nname = \"line\"\nport = \"{port}\"\nbaud = 115200\n{}", line.settings);
    let agent = start(directory.path(), &sink, &settings).await;
    let speaking = speak(instrument, line.frame);
    tokio::time::sleep(WARM_UP).await;
    let intake = Intake::watch(&agent, || sink.readings()).await;
    speaking.abort();
    check(&agent, line, intake);
    // Kept open until now, as a pseudo terminal whose last reader is gone forgets what it was told.
    drop(other_end);
    intake
}

fn check(agent: &Agent, line: &Line, intake: Intake) {
    assert!(intake.readings > 0, "{} brought no readings", line.name);
    let counts = agent.counts().expect("the agent keeps its books");
    assert_eq!(counts.dead_lettered, 0, "{} was not understood", line.name);
}

fn speak(mut instrument: SerialStream, frame: fn(u64) -> Vec<u8>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut number = 0;
        loop {
            let frames: Vec<u8> = (number..number + LINES_A_WRITE).flat_map(frame).collect();
            number += LINES_A_WRITE;
            if instrument.write_all(&frames).await.is_err() {
                return;
            }
        }
    })
}

fn csv(number: u64) -> Vec<u8> {
    let value = |place: u64| (number % 1000 + place) as f64 / 100.0;
    format!("{:.2},{:.2},{:.2},{:.2},{:.2}\n", value(1), value(2), value(3), value(4), value(5)).into_bytes()
}

fn nmea(number: u64) -> Vec<u8> {
    let body = format!(
        "GPRMC,{:02}{:02}{:02},A,4807.{:03},N,01131.000,E,022.4,084.4,230926,003.1,W",
        number / 3600 % 24,
        number / 60 % 60,
        number % 60,
        number % 1000
    );
    let checksum = body.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("${body}*{checksum:02X}\r\n").into_bytes()
}

fn slip(number: u64) -> Vec<u8> {
    let mut record: Vec<u8> =
        (0..4).flat_map(|place| ((number % 1000 + place) as u16).to_be_bytes()).collect();
    record.extend((number as f32 / 10.0).to_be_bytes());
    record.extend(crc16_modbus(&record).to_le_bytes());
    let mut frame = vec![0xC0];
    for byte in record {
        match byte {
            0xC0 => frame.extend([0xDB, 0xDC]),
            0xDB => frame.extend([0xDB, 0xDD]),
            other => frame.push(other),
        }
    }
    frame
}

/// CRC-16/MODBUS, bit by bit.
fn crc16_modbus(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}
