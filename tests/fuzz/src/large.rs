//! Inputs of a megabyte, as long as a payload may be, that make much of little: the corpus is too small for them.

use std::sync::Arc;

use penstock_shared::batch::{Batch, Commit};
use penstock_shared::frame::{MAX_FRAME_SERIES, MAX_PLAIN_BYTES, seal};
use penstock_shared::id::{CommitNumber, Epoch};
use penstock_shared::reading::{MAX_TEXT_BYTES, Reading, Series, TimestampMicros, Value};

use crate::messages::gateway;
use crate::wire_frame::PARTS;

/// As long as a payload may be.
const MEGABYTE: usize = 1 << 20;
const TOPIC_BYTES: usize = 65_000;

/// Returns each with the name of its target.
#[must_use]
pub fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let mut inputs: Vec<(&'static str, Vec<u8>)> = Vec::new();
    for json in json_texts() {
        inputs.push(("json", format!("a/b\n{json}").into_bytes()));
        inputs.push(("home_assistant", format!("homeassistant/sensor/a/config\n{json}").into_bytes()));
        inputs.push(("home_assistant", format!("zigbee2mqtt/a\n{json}").into_bytes()));
        inputs.push(("tasmota_shelly", format!("tele/a/SENSOR\n{json}").into_bytes()));
        let rpc = format!("a/events/rpc\n{{\"method\":\"NotifyStatus\",\"params\":{{\"a\":{json}}}}}");
        inputs.push(("tasmota_shelly", rpc.into_bytes()));
        inputs.push(("senml_json", format!("[{{\"n\":\"a\",\"v\":1}},{json}]").into_bytes()));
        inputs.push(("serial_records", format!("3{json}").into_bytes()));
        inputs.push(("events", format!("{{\"type\":\"a\",\"value\":1,\"properties\":{json}}}").into_bytes()));
        inputs.push(("events", format!("{{\"type\":\"a\",\"value\":{json}}}").into_bytes()));
        inputs.push(("events", format!("{{\"type\":\"a\",\"value\":1,\"timestamp\":{json}}}").into_bytes()));
        inputs.push(("events", json.into_bytes()));
    }
    let long_topic = format!("{}/a\n{{{}}}", "x".repeat(TOPIC_BYTES), members(900));
    inputs.push(("json", long_topic.into_bytes()));
    inputs.push(("home_assistant", discovery()));
    inputs.extend(lines().into_iter().map(|text| ("influx_line", text.into_bytes())));
    inputs.extend(senml().into_iter().map(|text| ("senml_json", text.into_bytes())));
    inputs.extend(cbor().into_iter().map(|bytes| ("senml_cbor", bytes)));
    inputs.extend(sparkplug().into_iter().map(|bytes| ("sparkplug", bytes)));
    inputs.extend((0..10).map(|framing| ("serial_frames", [&[framing, 2, 1, 7], &STREAM[..]].concat())));
    for record in [";".repeat(MEGABYTE), "a=1,".repeat(MEGABYTE / 4), "1".repeat(MEGABYTE)] {
        inputs.extend((0..7).map(|kind| ("serial_records", format!("{kind}{record}").into_bytes())));
        inputs.push(("nmea", format!("$WIXDR,{record}").into_bytes()));
    }
    inputs.extend(wire_frames().into_iter().map(|bytes| ("wire_frame", bytes)));
    inputs
}

/// A line in break condition, and frames that begin and do not end.
static STREAM: [u8; 65_536] = {
    let mut stream = [0; 65_536];
    let mut place = 0;
    while place < stream.len() {
        stream[place] = match place / 8192 % 4 {
            0 => 0,
            1 => 2,
            2 => 0xAA,
            _ => (place % 251) as u8,
        };
        place += 1;
    }
    stream
};

fn repeated(each: &str) -> String {
    let count = (MEGABYTE - 256) / each.len();
    each.repeat(count).trim_end_matches(',').to_owned()
}

fn members(count: usize) -> String {
    (0..count).map(|number| format!("\"m{number}\":{number}")).collect::<Vec<_>>().join(",")
}

fn json_texts() -> Vec<String> {
    let lists = ["1,", "[],", "[1],", "{},", "{\"\":1},", "\"\",", "[[[[1]]]],", "{\"a\":[{\"b\":[1]}]},"];
    let mut texts: Vec<String> = lists.iter().map(|each| format!("[{}]", repeated(each))).collect();
    texts.extend(lists.iter().map(|each| format!("{{\"a\":[{}]}}", repeated(each))));
    texts.push(format!("{{{}}}", members(75_000)));
    // As many as are taken, or nearly.
    texts.push(format!("{{{}}}", members(31_000)));
    texts.push(format!("[{}1]", "1,".repeat(85_000)));
    texts.push(format!("{{\"a\":[{}1]}}", "{\"\":1},".repeat(9_000)));
    texts.push(format!("[{{\"n\":\"a\",\"v\":1}}{}]", ",{\"n\":\"a\",\"v\":1}".repeat(6_500)));
    texts.push(format!("{{{}}}", repeated("\"a\":1,")));
    texts.push(format!("{{\"a\":\"{}\"}}", repeated("x")));
    texts.push(format!("{{\"{}\":1}}", repeated("\\u0001")));
    texts.push("{\"a\":".repeat(10_000));
    texts.push("[".repeat(MEGABYTE - 256));
    texts.push(format!("{{\"a\":{}}}", "1".repeat(MEGABYTE - 256)));
    texts
}

/// Announcements of as many entities as are remembered, each as long as it may be.
fn discovery() -> Vec<u8> {
    let name = "n".repeat(250);
    let components = (0..200).map(|number| {
        let template = format!("{{{{ value_json.{} }}}}", "a.".repeat(100) + "a");
        format!(
            "\"c{number}\":{{\"p\":\"sensor\",\"stat_t\":\"s/{}\",\"val_tpl\":\"{template}\",\
             \"name\":\"{name}{number}\",\"dev_cla\":\"{name}\",\"unit_of_meas\":\"{name}\"}}",
            "t".repeat(400)
        )
    });
    let config = format!("{{\"cmps\":{{{}}}}}", components.collect::<Vec<_>>().join(","));
    let messages = (0..20).map(|number| format!("homeassistant/device/d{number}/config\n{config}\u{1e}"));
    let state = format!("s/{}\n{{\"a\":1}}", "t".repeat(400));
    messages.chain([state]).collect::<String>().into_bytes()
}

fn lines() -> Vec<String> {
    let tag = |name: usize| format!(",{}{name}={}", "t".repeat(250), "v".repeat(250));
    let tags: String = (10..26).map(tag).collect();
    let fields = |count: usize| (0..count).map(|number| format!("f{number}=1")).collect::<Vec<_>>().join(",");
    let text = "x".repeat(48_000);
    vec![
        repeated("a b=1\n"),
        format!("a {}", repeated("b=1,")),
        format!("a{} b=1", repeated(",t=1")),
        // What all values of a line share is in each of their series.
        format!("m{tags} {}", fields(5_500)),
        format!("{} {}", "m".repeat(250), fields(5_500)),
        format!("m {}", format!("f=\"{text}\",").repeat(20) + "g=1"),
        format!("{}\n", "\\".repeat(MEGABYTE - 256)),
        repeated("\n#"),
        repeated("a\n"),
    ]
}

fn senml() -> Vec<String> {
    let long = "u".repeat(250);
    vec![
        format!("[{}]", repeated("{\"n\":\"a\",\"v\":1},")),
        format!("[{}]", repeated("{\"v\":1},")),
        format!(
            "[{{\"bn\":\"{long}\",\"bu\":\"{long}\",\"n\":\"a\",\"v\":1}},{}]",
            repeated("{\"v\":1,\"n\":\"b\"},")
        ),
        format!("[{}]", repeated("{\"bver\":1},")),
        format!("[{}]", repeated("{\"n\":\"a\",\"vs\":\"\"},")),
    ]
}

fn cbor() -> Vec<Vec<u8>> {
    // Records {0: "a", 2: 1}, {2: 1} and {}, in lists of no declared length; one with a declared length of 2^62.
    let list =
        |record: &[u8]| [&[0x9f], &record.repeat((MEGABYTE - 256) / record.len())[..], &[0xff]].concat();
    let endless = [0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0, 0xa1, 0x02, 0x01];
    let nested = [&[0x81, 0xa1, 0x07][..], &[0x9f; MEGABYTE - 256]].concat();
    vec![list(&[0xa2, 0, 0x61, b'a', 2, 1]), list(&[0xa1, 2, 1]), list(&[0xa0]), endless.to_vec(), nested]
}

fn sparkplug() -> Vec<Vec<u8>> {
    let message = |kind: u8, payload: &[u8]| {
        let [low, middle, high, _] = u32::try_from(payload.len()).expect("a megabyte").to_le_bytes();
        [&[kind, low, middle, high], payload].concat()
    };
    let metrics = |each: &dyn Fn(usize) -> Vec<u8>, count: usize| {
        (0..count)
            .flat_map(|number| [vec![0x12, each(number).len() as u8], each(number)].concat())
            .collect::<Vec<_>>()
    };
    let named = |number: usize| {
        let name = format!("metric{number}");
        // Name, alias, data type and value.
        [&[0x0a, name.len() as u8], name.as_bytes(), &[0x10, number as u8 & 0x7f, 0x20, 9, 0x69], &[0; 8]]
            .concat()
    };
    let births = metrics(&named, 30_000);
    let births = &births[..births.len().min(MEGABYTE)];
    vec![
        [message(0, births), message(1, births), message(2, &[])].concat(),
        [message(0, &[0x12, 0].repeat(MEGABYTE / 2)), message(1, &[0x12, 2, 0x10, 1].repeat(MEGABYTE / 4))]
            .concat(),
        (0..8).flat_map(|_| message(3, births)).collect(),
    ]
}

/// As many readings as a frame may have, of as many series as it may have and of more, and texts that pack well.
fn wire_frames() -> Vec<Vec<u8>> {
    let labels = [2, 1, b'a', 1, b'b', 1, b'c', 1, b'd'];
    let frames = [(MAX_FRAME_SERIES, &[0][..]), (MAX_FRAME_SERIES, &labels[..]), (READINGS, &labels[..])];
    let mut inputs: Vec<_> = frames.into_iter().map(|(series, labels)| frame_parts(series, labels)).collect();
    inputs.push([&[PARTS, 0, 0][..], &[0xff; MEGABYTE - 64]].concat());
    inputs.push(texts());
    inputs
}

const READINGS: usize = 65_535;

/// A header and columns of one-letter names, each series with the same labels, all numbers zero.
fn frame_parts(series: usize, labels: &[u8]) -> Vec<u8> {
    let length = |count: usize| [count as u8 | 0x80, (count >> 7) as u8 | 0x80, (count >> 14) as u8];
    let column = |count: usize, item: &[u8]| [&length(count)[..], &item.repeat(count)].concat();
    let header = [&[3, b'g', b'w', b'1', 7, 1, 1, 0][..], &length(READINGS), &[0]].concat();
    let plain = [
        column(series, &[1, b't']),
        column(series, &[1, b's']),
        column(series, labels),
        // Scales, the size of the one commit, the unit of time and the first time.
        column(series, &[0]),
        [&[1][..], &length(READINGS), &[1, 0]].concat(),
        // Steps from series to series, kinds, times.
        column(READINGS, &[0]),
        vec![0],
        column(READINGS, &[0]),
        // First numbers, further numbers, raw numbers, booleans, texts.
        column(series, &[0]),
        column(READINGS - series, &[0]),
        vec![0, 0, 0],
    ];
    [&[PARTS, header.len() as u8, 0][..], &header, &plain.concat()].concat()
}

/// A frame as an agent makes it of texts that are as long as they may be.
fn texts() -> Vec<u8> {
    let series = Arc::new(Series::new("log", "gw1/press4").expect("a valid series"));
    let text = |number: i64| format!("{number} {}", "all is well ".repeat(MAX_TEXT_BYTES / 13));
    let reading = |number: i64| Reading {
        series: Arc::clone(&series),
        time: TimestampMicros(number),
        value: Value::Text(text(number)),
    };
    let readings = (0..(MAX_PLAIN_BYTES / MAX_TEXT_BYTES) as i64).map(reading).collect();
    let batch = Batch {
        agent: gateway(),
        epoch: Epoch(7),
        gaps: Vec::new(),
        received_at: TimestampMicros(0),
        commits: vec![Commit { number: CommitNumber(1), readings }],
    };
    seal(&batch).expect("the limits are kept")
}
