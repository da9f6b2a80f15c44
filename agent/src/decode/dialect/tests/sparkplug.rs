//! A Sparkplug B edge node, its payloads put together by the numbers of `sparkplug_b.proto`.

use penstock_shared::reading::TimestampMicros;

use super::{NOW, decode, decoder, shown};

const T: u64 = 1_700_000_000_123;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn double(value: f64) -> Vec<u8> {
    [varint(13 << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

fn float(value: f32) -> Vec<u8> {
    [varint(12 << 3 | 5), value.to_le_bytes().to_vec()].concat()
}

fn metric(parts: &[Vec<u8>]) -> Vec<u8> {
    bytes(2, &parts.concat())
}

fn payload(sequence: u64, metrics: &[Vec<u8>]) -> Vec<u8> {
    [number(1, T), metrics.concat(), number(3, sequence)].concat()
}

fn named(name: &str, alias: u64, datatype: u64, value: Vec<u8>) -> Vec<u8> {
    metric(&[bytes(1, name.as_bytes()), number(2, alias), number(4, datatype), value])
}

fn birth() -> Vec<u8> {
    let unit = [
        bytes(1, b"engLow"),
        bytes(1, b"engUnit"),
        bytes(2, &number(3, 0)),
        bytes(2, &bytes(8, "°C".as_bytes())),
    ];
    payload(
        0,
        &[
            named("bdSeq", 0, 8, number(11, 7)),
            named("Node Control/Rebirth", 1, 11, number(14, 0)),
            metric(&[
                bytes(1, b"Temperature"),
                number(2, 2),
                number(3, T + 1000),
                number(4, 10),
                bytes(9, &unit.concat()),
                double(21.5),
            ]),
            named("Count", 3, 3, number(10, u64::from((-5_i32) as u32))),
        ],
    )
}

fn death(birth_death: u64) -> Vec<u8> {
    [number(1, T), named("bdSeq", 0, 8, number(11, birth_death))].concat()
}

#[test]
fn births_explain_aliases_types_and_units() {
    let mut decoder = decoder();
    assert_eq!(
        decode(&mut decoder, "spBv1.0/plant/NBIRTH/edge1", birth()),
        [
            "Count@gw/plant/edge1 = -5 @ 1700000000123000",
            "Temperature@gw/plant/edge1 unit=°C = 21.5 @ 1700000001123000",
            "online@gw/plant/edge1 = true @ 1700000000123000",
        ]
    );
    let data = payload(
        1,
        &[
            metric(&[number(2, 2), double(22.5)]),
            metric(&[number(2, 3), number(3, T + 5), number(10, u64::from((-6_i32) as u32))]),
            metric(&[number(2, 2), number(7, 1)]),
        ],
    );
    assert_eq!(
        decode(&mut decoder, "spBv1.0/plant/NDATA/edge1", data),
        [
            "Count@gw/plant/edge1 = -6 @ 1700000000128000",
            "Temperature@gw/plant/edge1 unit=°C = 22.5 @ 1700000000123000",
        ],
        "a null is no value"
    );
}

#[test]
fn every_type_of_value_is_read_on_a_device() {
    let mut decoder = decoder();
    decode(&mut decoder, "spBv1.0/plant/NBIRTH/edge1", birth());
    let birth = payload(
        1,
        &[
            named("Int8", 10, 1, number(10, u64::from((-1_i32) as u32))),
            named("Int16", 11, 2, number(10, 0xfffe)),
            named("Int64", 12, 4, number(11, (-3_i64) as u64)),
            named("UInt64", 13, 8, number(11, 1 << 40)),
            named("Float", 14, 9, float(0.5)),
            named("Boolean", 15, 11, number(14, 1)),
            named("String", 16, 12, bytes(15, b"idle")),
            named("Set", 17, 16, bytes(17, b"")),
            named("Bad", 18, 10, double(f64::NAN)),
        ],
    );
    let at = "gw/plant/edge1/press";
    let lines = decode(&mut decoder, "spBv1.0/plant/DBIRTH/edge1/press", birth);
    let expected = [
        "!not_a_value".to_owned(),
        "!not_finite".to_owned(),
        format!("Boolean@{at} = true @ 1700000000123000"),
        format!("Float@{at} = 0.5 @ 1700000000123000"),
        format!("Int16@{at} = -2 @ 1700000000123000"),
        format!("Int64@{at} = -3 @ 1700000000123000"),
        format!("Int8@{at} = -1 @ 1700000000123000"),
        format!("String@{at} = \"idle\" @ 1700000000123000"),
        format!("UInt64@{at} = 1099511627776 @ 1700000000123000"),
        format!("online@{at} = true @ 1700000000123000"),
    ];
    assert_eq!(lines, expected);
    let data = payload(2, &[metric(&[number(2, 14), float(1.5)])]);
    assert_eq!(
        decode(&mut decoder, "spBv1.0/plant/DDATA/edge1/press", data),
        [format!("Float@{at} = 1.5 @ 1700000000123000")]
    );
    let lines = decode(&mut decoder, "spBv1.0/plant/DDEATH/edge1/press", payload(3, &[]));
    assert_eq!(lines, [format!("online@{at} = false @ 1700000000123000")]);
}

#[test]
fn a_gap_is_counted_and_a_rebirth_asked_for_once_in_a_while() {
    let mut decoder = decoder();
    decode(&mut decoder, "spBv1.0/plant/NBIRTH/edge1", birth());
    let data = |sequence| payload(sequence, &[metric(&[number(2, 2), double(1.0)])]);
    let reading = "Temperature@gw/plant/edge1 unit=°C = 1 @ 1700000000123000";
    let topic = "spBv1.0/plant/NDATA/edge1";
    assert_eq!(decode(&mut decoder, topic, data(1)), [reading]);
    assert_eq!(decode(&mut decoder, topic, data(1)), [reading], "one that comes again is no gap");
    assert_eq!(decode(&mut decoder, topic, data(3)), ["?spBv1.0/plant/NCMD/edge1", reading]);
    assert_eq!(decode(&mut decoder, topic, data(9)), [reading], "asked already");
    let later = TimestampMicros(NOW.0 + 11_000_000);
    let decoded = decoder.decode(topic, &data(20), later);
    assert_eq!(decoded.asks.len(), 1);
    let counts = decoder.sparkplug_counts();
    assert_eq!((counts.births, counts.gaps, counts.rebirths_wanted), (1, 3, 2));
}

#[test]
fn the_sequence_goes_round_at_256() {
    let mut decoder = decoder();
    decode(&mut decoder, "spBv1.0/p/NBIRTH/e", birth());
    for sequence in (1..600).map(|number| number % 256) {
        let data = payload(sequence, &[metric(&[number(2, 2), double(1.0)])]);
        assert_eq!(decode(&mut decoder, "spBv1.0/p/NDATA/e", data).len(), 1);
    }
    assert_eq!(decoder.sparkplug_counts().gaps, 0);
}

#[test]
fn a_node_that_was_never_born_is_asked_and_what_names_itself_is_read() {
    let mut decoder = decoder();
    let data = payload(5, &[metric(&[number(2, 2), double(1.0)]), named("Level", 9, 10, double(2.0))]);
    assert_eq!(
        decode(&mut decoder, "spBv1.0/p/NDATA/e", data),
        ["!unknown_alias", "?spBv1.0/p/NCMD/e", "Level@gw/p/e = 2 @ 1700000000123000"]
    );
    assert_eq!(decoder.sparkplug_counts().unknown_aliases, 1);
}

#[test]
fn a_death_is_told_at_its_arrival_and_that_of_an_older_session_is_not() {
    let mut decoder = decoder();
    decode(&mut decoder, "spBv1.0/p/NBIRTH/e", birth());
    assert_eq!(decode(&mut decoder, "spBv1.0/p/NDEATH/e", death(6)), [""; 0]);
    assert_eq!(decode(&mut decoder, "spBv1.0/p/NDEATH/e", death(7)), ["online@gw/p/e = false"]);
    assert_eq!(decoder.sparkplug_counts().deaths, 1);
}

#[test]
fn the_rebirth_command_is_a_payload_by_the_book() {
    let mut decoder = decoder();
    let decoded = decoder.decode("spBv1.0/p/NDATA/e", &payload(5, &[]), NOW);
    let now = NOW.0 as u64 / 1000;
    let expected = [
        number(1, now),
        metric(&[bytes(1, b"Node Control/Rebirth"), number(3, now), number(4, 11), number(14, 1)]),
    ];
    assert_eq!(decoded.asks[0].payload, expected.concat());
}

#[test]
fn commands_and_host_states_are_no_readings_and_garbage_is_a_dead_letter() {
    let mut decoder = decoder();
    assert_eq!(decode(&mut decoder, "spBv1.0/STATE/scada", r#"{"online":true,"timestamp":1}"#), [""; 0]);
    assert_eq!(decode(&mut decoder, "spBv1.0/p/NCMD/e", birth()), [""; 0]);
    assert_eq!(decode(&mut decoder, "spBv1.0/p/NDATA/e", [0xff; 20]), ["!bad_sparkplug"]);
    assert_eq!(decode(&mut decoder, "spBv1.0/p/NDATA/e", [0x12, 0xff]), ["!bad_sparkplug"]);
}

#[test]
fn nodes_and_metrics_that_are_invented_without_end_do_not_fill_the_memory() {
    let mut decoder = decoder();
    let metrics: Vec<_> = (0..4_000).map(|n| named(&format!("m{n}"), n, 10, double(1.0))).collect();
    let birth = payload(0, &metrics);
    let refused = (0..6).map(|node| {
        let decoded = decoder.decode(&format!("spBv1.0/p/NBIRTH/e{node}"), &birth, NOW);
        let lines = shown(&decoded);
        lines.iter().filter(|line| *line == "!too_many_known").count()
    });
    assert_eq!(refused.collect::<Vec<_>>(), [0, 0, 0, 0, 0, 1]);
    let small = payload(0, &[]);
    let refused = (0..600).filter(|node| {
        let decoded = decoder.decode(&format!("spBv1.0/q/NBIRTH/e{node}"), &small, NOW);
        !decoded.dead_letters.is_empty()
    });
    assert!(refused.count() >= 100);
    let refused = (0..600).filter(|device| {
        let decoded = decoder.decode(&format!("spBv1.0/p/DBIRTH/e0/d{device}"), &small, NOW);
        decoded.dead_letters.iter().any(|letter| letter.reason == "too_many_known")
    });
    assert_eq!(refused.count(), 600, "a device without metrics takes room as well");
}
