//! Whatever the bytes: readings that can be stored, or a dead letter with its reason, in bounded time.

use std::time::{Duration, Instant};

use penstock_shared::reading::Value;
use proptest::prelude::*;

use super::*;
use crate::decode::dialect::{Dialects, Heard};

const TOPICS: [&str; 13] = [
    "tele/x/SENSOR",
    "x/tele/STATE",
    "x/events/rpc",
    "homeassistant/sensor/n/o/config",
    "homeassistant/device/o/config",
    "zigbee2mqtt/x",
    "known/state",
    "x/influx",
    "telegraf/x",
    "any/senml",
    "spBv1.0/g/NBIRTH/n",
    "spBv1.0/g/DDATA/n/d",
    "spBv1.0/g/NDEATH/n",
];

/// A decoder that knows an entity at `known/state`.
fn informed() -> Decoder {
    let mut decoder = decoder();
    let config =
        r#"{"stat_t":"known/state","val_tpl":"{{ value_json.a | float | round(2) }}","dev":{"name":"d"}}"#;
    decode(&mut decoder, "homeassistant/sensor/known/config", config);
    decoder
}

fn check(decoded: &Decoded) {
    for reading in &decoded.readings {
        assert!(reading.time.is_storable());
        assert!(!matches!(reading.value, Value::Number(number) if !number.is_finite()));
        assert_eq!(reading.series.validate(), Ok(()));
    }
    assert!(decoded.dead_letters.len() <= 11);
}

#[test]
fn json_of_any_depth_is_a_dead_letter_in_no_time() {
    let deep_objects = "{\"a\":".repeat(10_000) + "1" + &"}".repeat(10_000);
    let deep_lists = "[{\"n\":".to_owned() + &"[".repeat(10_000);
    let started = Instant::now();
    for topic in &TOPICS[..7] {
        assert_eq!(decode(&mut informed(), topic, &deep_objects), ["!bad_json"], "{topic}");
    }
    assert_eq!(decode(&mut informed(), "a/b", &deep_lists), ["!bad_json"]);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn numbers_beyond_a_double_are_dead_letters() {
    for topic in ["tele/x/SENSOR", "zigbee2mqtt/x", "known/state"] {
        assert_eq!(decode(&mut informed(), topic, r#"{"a": 1e999}"#), ["!bad_json"], "{topic}");
        assert_eq!(decode(&mut informed(), topic, r#"{"a": NaN}"#), ["!bad_json"], "{topic}");
    }
    let rpc = r#"{"method":"NotifyStatus","params":{"switch:0":{"apower":1e999}}}"#;
    assert_eq!(decode(&mut informed(), "x/events/rpc", rpc), ["!bad_json"]);
    assert_eq!(decode(&mut informed(), "known/state", r#"{"a": "1e999"}"#), ["!not_finite"]);
    assert_eq!(decode(&mut informed(), "t", r#"[{"n":"a","v":1e308,"bv":1e308}]"#), ["!not_finite"]);
}

#[test]
fn numbers_that_no_double_is_are_dead_letters_in_every_notation() {
    for (topic, payload, expected) in [
        ("x/influx", "m a=1e999", "!not_finite"),
        ("x/influx", "m a=NaN", "!not_finite"),
        ("x/influx", "m a=99999999999999999999i", "!bad_line_protocol"),
        ("x/influx", "m a=-0", "m_a@gw/x = -0"),
        ("x/influx", "m a=1 99999999999999999999", "!bad_line_protocol"),
        ("t", r#"[{"n":"a","v":1e999}]"#, "!bad_json"),
        ("t", r#"[{"n":"a","v":NaN}]"#, "!bad_json"),
        ("t", r#"[{"n":"a","v":-0}]"#, "a@gw/t = 0"),
        ("t", r#"[{"n":"a","v":1,"t":1e300}]"#, "!time_out_of_range"),
        ("tele/x/SENSOR", r#"{"T":-0}"#, "T@gw/x = -0"),
    ] {
        assert_eq!(decode(&mut informed(), topic, payload), [expected], "{topic} {payload}");
    }
    // {0: "a", 2: NaN} as a half, and as 1e400 in a decimal fraction.
    for pack in [&b"\x81\xa2\x00\x61a\x02\xf9\x7e\x00"[..], b"\x81\xa2\x00\x61a\x02\xc4\x82\x19\x01\x90\x01"]
    {
        assert_eq!(decode(&mut informed(), "t", pack), ["!not_finite"], "{pack:?}");
    }
    // A metric `a` whose double is NaN.
    let metric = [&b"\x12\x0c\x0a\x01a\x69"[..], &f64::NAN.to_le_bytes()].concat();
    let shown = decode(&mut informed(), "spBv1.0/g/NDATA/n", metric);
    assert!(shown.contains(&"!not_finite".to_owned()), "{shown:?}");
}

#[test]
fn what_all_values_of_a_line_share_does_not_fill_the_memory() {
    let tags: String = (10..26).map(|tag| format!(",{}{tag}={}", "t".repeat(250), "v".repeat(250))).collect();
    let fields = (0..5_000).map(|number| format!("f{number}=1")).collect::<Vec<_>>().join(",");
    let decoded = decoder().decode("x/influx", format!("m{tags} {fields}").as_bytes(), NOW);
    check(&decoded);
    assert!((100..1_000).contains(&decoded.readings.len()), "{} readings", decoded.readings.len());
    let detail = format!("only the first {} values of the message are taken", decoded.readings.len());
    assert_eq!(decoded.dead_letters[0].detail, detail);
}

#[test]
fn a_topic_of_64_kb_is_a_dead_letter() {
    let long = "x".repeat(65_000);
    let rpc = r#"{"method":"NotifyStatus","params":{"switch:0":{"apower":1}}}"#;
    for (topic, payload) in [
        (format!("tele/{long}/SENSOR"), r#"{"a":1}"#),
        (format!("{long}/events/rpc"), rpc),
        (format!("zigbee2mqtt/{long}"), r#"{"a":1}"#),
        (format!("{long}/influx"), "a b=1"),
        (long.clone(), r#"[{"n":"a","v":1}]"#),
    ] {
        assert_eq!(decode(&mut decoder(), &topic, payload), ["!invalid_series"], "{}", &topic[..12]);
    }
    let topic = format!("spBv1.0/g/NBIRTH/{long}");
    assert_eq!(decode(&mut decoder(), &topic, ""), ["!invalid_series", "!too_many_known"]);
    assert_eq!(
        decode(&mut decoder(), &format!("homeassistant/sensor/{long}/config"), "{}"),
        ["!value_missing"]
    );
}

#[test]
fn a_message_of_a_million_bytes_is_read_in_bounded_time_and_memory() {
    let lines = "a b=1\n".repeat(170_000);
    let fields = format!("a {}b=1", "b=1,".repeat(250_000));
    let objects = format!("{{{}\"a\":1}}", "\"a\":{\"b\":1},".repeat(80_000));
    let metrics = [0x12, 0].repeat(500_000);
    let tags = format!("a{} b=1", ",t=1".repeat(250_000));
    for (topic, payload) in [
        ("x/influx", lines.as_bytes()),
        ("x/influx", fields.as_bytes()),
        ("x/influx", tags.as_bytes()),
        ("tele/x/SENSOR", objects.as_bytes()),
        ("spBv1.0/g/NBIRTH/n", &metrics),
        ("spBv1.0/g/NDATA/n", &metrics),
    ] {
        let started = Instant::now();
        let decoded = decoder().decode(topic, payload, NOW);
        check(&decoded);
        assert!(decoded.readings.len() <= 5_000);
        assert!(started.elapsed() < Duration::from_secs(5), "{topic}: {:?}", started.elapsed());
    }
}

#[test]
fn one_long_name_of_many_values_does_not_fill_the_memory() {
    let long = "x".repeat(400_000);
    let members = (0..40_000).map(|number| format!("\"m{number}\":1")).collect::<Vec<_>>().join(",");
    let fields = (0..40_000).map(|number| format!("f{number}=1")).collect::<Vec<_>>().join(",");
    let records = "{\"v\":1},".repeat(40_000);
    for (topic, payload) in [
        ("tele/x/SENSOR", format!("{{\"{long}\":{{{members}}}}}")),
        ("tele/x/SENSOR", format!("{{\"PressureUnit\":\"{long}\",{members}}}")),
        ("x/events/rpc", format!("{{\"method\":\"NotifyStatus\",\"params\":{{\"{long}\":{{{members}}}}}}}")),
        ("x/influx", format!("{long} {fields}")),
        ("x/influx", format!("m,t={long} {fields}")),
        ("x/influx", format!("m{} {fields}", ",t=1".repeat(80_000))),
        ("any/senml", format!("[{{\"bn\":\"{long}\"}},{records}{{\"v\":1}}]")),
        ("any/senml", format!("[{{\"bn\":\"a\",\"bu\":\"{long}\"}},{records}{{\"v\":1}}]")),
    ] {
        let started = Instant::now();
        let decoded = decoder().decode(topic, payload.as_bytes(), NOW);
        check(&decoded);
        assert!(!decoded.dead_letters.is_empty());
        assert!(started.elapsed() < Duration::from_secs(5), "{topic}: {:?}", started.elapsed());
    }
}

/// All dialects, with an entity at `known/state`.
fn all() -> Dialects {
    let mut dialects = Dialects::new(&DecodeSettings::default());
    let config = br#"{"stat_t":"known/state","dev":{"name":"d"}}"#;
    let heard = Heard { topic: "homeassistant/sensor/known/config", payload: config, arrived_at: NOW };
    dialects.read(&heard).expect("an announcement");
    dialects
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_no_dialect_may_claim_none_does(
        topic in r#"(tele|stat|known|homeassistant|zigbee2mqtt|telegraf|spBv1\.0|x)?(/(tele|g|NDATA|n|state|status|sensor|config|events|influx|SENSOR|LWT|rpc)){0,4}"#,
        payload in proptest::sample::select(vec![&b"1"[..], b"{\"a\":1}", b" [{\"n\":\"a\",\"v\":1}]", b"\x81\xa2\x00\x61a\x02\x01", b"a b=1", b""]),
    ) {
        let mut dialects = all();
        let heard = Heard { topic: &topic, payload, arrived_at: NOW };
        if !dialects.may_claim(&heard) {
            prop_assert!(dialects.claimed(&heard).is_none(), "{topic}");
        }
    }

    #[test]
    fn random_bytes_make_no_parser_panic(
        topic in proptest::sample::select(TOPICS.to_vec()),
        payload in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        check(&informed().decode(topic, &payload, NOW));
    }

    #[test]
    fn bytes_that_begin_well_make_no_parser_panic(
        topic in proptest::sample::select(TOPICS.to_vec()),
        start in proptest::sample::select(vec![&b"["[..], b"{", b"[{\"n\":\"a\",\"v\":", b"\x82\xa2\x00\x61a\x02", b"\x12\x20", b"a,b=c d="]),
        payload in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        check(&informed().decode(topic, &[start, &payload].concat(), NOW));
    }

    #[test]
    fn json_of_any_members_makes_no_parser_panic(
        topic in proptest::sample::select(TOPICS.to_vec()),
        payload in r#"\{("(a|params|method|switch:0|stat_t|val_tpl|cmps|dev|Time|ts|last_seen)":("(NotifyStatus|\{\{ value_json\.a \}\}|~|[a-z0-9.:~-]{0,8})"|-?[0-9]{1,22}(\.[0-9]{1,4})?|true|null|\{"tC":1\}|\[1\])(,|)){0,5}\}"#,
    ) {
        check(&informed().decode(topic, payload.as_bytes(), NOW));
    }

    #[test]
    fn any_line_makes_no_parser_panic(payload in r#"([ab,= "\\]|\PC|1i|\n){0,60}"#) {
        check(&informed().decode("x/influx", payload.as_bytes(), NOW));
    }

    #[test]
    fn any_template_makes_no_parser_panic(template in r#"(\{\{|\}\}|value_json|value|\.a|\['|'\]|\| ?round\(|\)|default|\PC){0,12}"#) {
        let config = serde_json::json!({ "stat_t": "s", "val_tpl": template, "dev": { "name": "d" } });
        let mut decoder = decoder();
        check(&decoder.decode("homeassistant/sensor/o/config", config.to_string().as_bytes(), NOW));
        check(&decoder.decode("s", br#"{"a": 1}"#, NOW));
    }
}
