//! Tables of topics and payloads, and that no bytes whatever make the decoder panic.

use penstock_shared::reading::Value;
use proptest::prelude::*;

use super::*;
use crate::config::{Settings, parse};

const NOW: TimestampMicros = TimestampMicros(1_800_000_000_000_000);

fn decoder(mappings: &str) -> Decoder {
    let settings: Settings =
        parse(std::path::Path::new("test.toml"), mappings, []).expect("a good configuration");
    Decoder::new(&AgentId::new("gw").expect("an id"), true, settings.mappings.into())
}

/// Writes readings as `type@source labels = value [@ micros]` and dead letters as `!reason`.
fn decode(mappings: &str, topic: &str, payload: &[u8]) -> Vec<String> {
    let decoded = decoder(mappings).decode(topic, payload, NOW);
    let readings = decoded.readings.iter().map(|reading| {
        let value = match &reading.value {
            Value::Number(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Text(text) => format!("{text:?}"),
        };
        let time = if reading.time == NOW { String::new() } else { format!(" @ {}", reading.time.0) };
        format!("{} = {value}{time}", reading.series)
    });
    readings.chain(decoded.dead_letters.iter().map(|letter| format!("!{}", letter.reason))).collect()
}

#[test]
fn without_mappings_the_last_level_is_the_type_and_the_rest_the_source() {
    let cases: [(&str, &str, &[&str]); 21] = [
        ("plant1/press4/temperature", "21.5", &["temperature@gw/plant1/press4 = 21.5"]),
        ("a/b", " -3e2\n", &["b@gw/a = -300"]),
        ("t", "1", &["t@gw = 1"]),
        ("a/b", "true", &["b@gw/a = true"]),
        ("a/b", "OFF", &["b@gw/a = false"]),
        ("a/b", "\"on\"", &["b@gw/a = true"]),
        ("a/b", "\"21.5\"", &["b@gw/a = 21.5"]),
        ("a/b", "open", &["b@gw/a = \"open\""]),
        ("a/b", r#"{"value": 7}"#, &["b@gw/a = 7"]),
        (
            "a/b",
            r#"{"value": 7, "ts": 1700000000, "unit": "°C"}"#,
            &["b@gw/a unit=°C = 7 @ 1700000000000000"],
        ),
        (
            "a/b",
            r#"{"value": false, "time": "2023-11-14T22:13:20Z"}"#,
            &["b@gw/a = false @ 1700000000000000"],
        ),
        (
            "a/b",
            r#"{"door": true, "temp": 1.5, "deep": {"y": 1}, "name": "x", "timestamp": 1700000000000}"#,
            &["door@gw/a/b = true @ 1700000000000000", "temp@gw/a/b = 1.5 @ 1700000000000000"],
        ),
        ("a/b", "{}", &["!value_missing"]),
        ("a/b", r#"{"value": null}"#, &["!not_a_value"]),
        ("a/b", "[1]", &["!not_a_value"]),
        ("a/", "1", &["!invalid_series"]),
        ("a/b:c", "1", &["!invalid_series"]),
        ("a/b", r#"{"x:y": 1, "z": 2}"#, &["z@gw/a/b = 2", "!invalid_series"]),
        ("$SYS/broker/uptime", "1", &[]),
        ("a/b", r#"{"value": 1, "ts": -1}"#, &["!time_out_of_range"]),
        ("a/b", r#"{"value": 1, "ts": true}"#, &["!bad_time"]),
    ];
    for (topic, payload, expected) in cases {
        assert_eq!(decode("", topic, payload.as_bytes()), expected, "{topic} {payload}");
    }
}

#[test]
fn what_is_no_payload_is_a_dead_letter_with_its_reason() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let deep_object = "{\"value\":".repeat(10_000) + "1" + &"}".repeat(10_000);
    let dense = format!("[{}1]", "{\"\":1},".repeat(100_000));
    let long = "x".repeat(50_000);
    let huge = vec![b' '; MAX_PAYLOAD_BYTES + 1];
    let many = format!("{{{}}}", (0..1001).map(|n| format!("\"m{n}\":1")).collect::<Vec<_>>().join(","));
    let cases: [(&[u8], &str); 15] = [
        (b"", "empty_payload"),
        (b" \r\n", "empty_payload"),
        (b"\xff\xfe", "not_utf8"),
        (br#"{"value": 21."#, "bad_json"),
        (br#"{"value": NaN}"#, "bad_json"),
        (br#"{"value": 1e999}"#, "bad_json"),
        (b"NaN", "not_finite"),
        (b"-inf", "not_finite"),
        (b"1e999", "not_finite"),
        (deep.as_bytes(), "bad_json"),
        (deep_object.as_bytes(), "bad_json"),
        (dense.as_bytes(), "too_many_values"),
        (long.as_bytes(), "text_too_long"),
        (&huge, "payload_too_large"),
        (many.as_bytes(), "too_many_values"),
    ];
    for (payload, reason) in cases {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(40)]).into_owned();
        assert_eq!(decode("", "a/b", payload), [format!("!{reason}")], "{shown}");
    }
}

#[test]
fn a_topic_of_64_kb_is_a_dead_letter_with_a_bounded_origin() {
    let topic = format!("a/{}", "x".repeat(65_000));
    let members = (0..900).map(|number| format!("\"m{number}\":1")).collect::<Vec<_>>().join(",");
    let mapped = "[[mapping]]\ntopic = \"{source}/{type}\"";
    for (mappings, payload, letters) in
        [("", "1".to_owned(), 1), ("", format!("{{{members}}}"), 10), (mapped, "1".to_owned(), 1)]
    {
        let decoded = decoder(mappings).decode(&topic, payload.as_bytes(), NOW);
        assert_eq!((decoded.readings.len(), decoded.dead_letters.len()), (0, letters), "{mappings}");
        let last = &decoded.dead_letters[letters - 1];
        assert_eq!(last.reason, "invalid_series");
        assert!(last.origin.len() <= 600);
        assert_eq!(last.detail.ends_with("(and 890 further faults of this message)"), letters == 10);
    }
}

#[test]
fn numbers_at_the_edge_of_a_double_are_read_as_they_are() {
    let huge = 340_282_366_920_938_463_463_374_607_431_768_211_456_f64;
    for (payload, expected) in [
        ("-0", -0.0),
        (r#"{"value": -0}"#, -0.0),
        ("340282366920938463463374607431768211456", huge),
        (r#"{"value": 340282366920938463463374607431768211456}"#, huge),
        ("-9223372036854775808", -9_223_372_036_854_775_808.0),
        ("1e-999", 0.0),
    ] {
        let decoded = decoder("").decode("a/b", payload.as_bytes(), NOW);
        assert!(decoded.readings[0].value.same_bits(&Value::Number(expected)), "{payload}: {decoded:?}");
    }
}

#[test]
fn a_dead_letter_says_where_it_came_from_and_keeps_a_bounded_payload() {
    let decoded = decoder("").decode("a/b", &[b'{'; 10_000], NOW);
    let letter = &decoded.dead_letters[0];
    assert_eq!((letter.origin.as_str(), letter.arrived_at), ("mqtt a/b", NOW));
    assert_eq!(letter.payload.len(), MAX_KEPT_PAYLOAD_BYTES);
    assert!(!letter.detail.is_empty());
}

#[test]
fn mappings_name_type_source_and_labels() {
    let mappings = r#"
        [[mapping]]
        topic = "sensors/{hall}/{source}/{type}"
        value = "/v"
        time = "/t"
        time_unit = "ms"
        labels = { unit = "°C", line = "L{hall}" }
        [[mapping]]
        topic = "multi/{source...}"
        values = { temperature = "/temp", humidity = "/deep/hum" }
        [[mapping]]
        topic = "fixed/+"
        type = "pressure"
    "#;
    let cases: [(&str, &str, &[&str]); 10] = [
        (
            "sensors/7/p4/temp",
            r#"{"v": 1, "t": 1700000000000}"#,
            &["temp@gw/p4 hall=7 line=L7 unit=°C = 1 @ 1700000000000000"],
        ),
        ("sensors/7/p4/temp", r#"{"x": 1}"#, &["!value_missing"]),
        (
            "multi/a/b",
            r#"{"temp": 2, "deep": {"hum": 3}}"#,
            &["humidity@gw/a/b = 3", "temperature@gw/a/b = 2"],
        ),
        ("multi/a", r#"{"temp": 2}"#, &["temperature@gw/a = 2"]),
        ("multi/a", r#"{"temp": [], "deep": {"hum": 3}}"#, &["humidity@gw/a = 3", "!not_a_value"]),
        ("multi/a", r#"{"other": 2}"#, &["!value_missing"]),
        ("fixed/x", "4", &["pressure@gw = 4"]),
        ("fixed/x", r#"{"value": 4, "ts": 1700000000}"#, &["pressure@gw = 4 @ 1700000000000000"]),
        ("fixed/x", r#"{"other": 4}"#, &["!not_a_value"]),
        ("nobody/mapped/this", "4", &["!unmapped_topic"]),
    ];
    for (topic, payload, expected) in cases {
        assert_eq!(decode(mappings, topic, payload.as_bytes()), expected, "{topic} {payload}");
    }
}

#[test]
fn readings_of_one_series_share_it() {
    let mut decoder = decoder("");
    let first = decoder.decode("a/b", b"1", NOW);
    let second = decoder.decode("a/b", b"2", NOW);
    assert!(Arc::ptr_eq(&first.readings[0].series, &second.readings[0].series));
}

#[test]
fn a_device_that_invents_topics_does_not_grow_the_cache_for_ever() {
    let mut decoder = decoder("");
    for n in 0..50_000 {
        decoder.decode(&format!("a/{n}"), b"1", NOW);
    }
    assert!(decoder.plans.len() <= 20_000);
}

#[test]
fn a_device_that_invents_long_names_does_not_grow_the_cache_for_ever() {
    let mut decoder = decoder("");
    let long = "x".repeat(60_000);
    for n in 0..2_000 {
        decoder.decode(&format!("a/{n}{long}"), b"1", NOW);
        decoder.decode("a/b", format!("{{\"value\":1,\"unit\":\"{n}{long}\"}}").as_bytes(), NOW);
        decoder.decode("a/b", format!("{{\"{n}{long}\":1}}").as_bytes(), NOW);
        assert!(decoder.plans.bytes() <= 13 << 20);
    }
}

#[test]
fn an_arrival_by_a_clock_before_1970_is_out_of_range() {
    let decoded = decoder("").decode("a/b", b"1", TimestampMicros(-1));
    assert_eq!(decoded.dead_letters[0].reason, "time_out_of_range");
}

proptest! {
    #[test]
    fn any_bytes_on_any_topic_end_as_a_reading_or_a_dead_letter(
        topic in "[^$]\\PC{0,40}",
        payload in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let decoded = decoder("").decode(&topic, &payload, NOW);
        prop_assert!(!decoded.is_empty());
    }

    #[test]
    fn any_json_like_text_ends_as_readings_that_can_be_stored(
        payload in r#"\{("(value|ts|time|unit|a)":("[a-z0-9.:-]{0,12}"|-?[0-9]{1,22}(\.[0-9]{1,4})?|true|null|\[\]),?){0,4}\}"#,
    ) {
        let decoded = decoder("").decode("a/b", payload.as_bytes(), NOW);
        prop_assert!(!decoded.is_empty());
        for reading in decoded.readings {
            prop_assert!(reading.time.is_storable());
            prop_assert!(!matches!(reading.value, Value::Number(number) if !number.is_finite()));
            prop_assert!(reading.series.validate().is_ok());
        }
    }
}
