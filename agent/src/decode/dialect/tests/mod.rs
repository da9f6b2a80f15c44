//! Recorded payloads in each dialect, made from its published format, and what comes out of them.

mod home_assistant;
mod hostile;
mod influx_line;
mod senml;
mod shelly;
mod sparkplug;
mod tasmota;

use penstock_shared::id::AgentId;
use penstock_shared::reading::{TimestampMicros, Value};

use crate::config::{DecodeSettings, Settings, parse};
use crate::decode::{Decoded, Decoder};

const NOW: TimestampMicros = TimestampMicros(1_800_000_000_000_000);

/// A decoder of the gateway `gw`, by a configuration.
fn decoder_of(configuration: &str) -> Decoder {
    let settings: Settings =
        parse(std::path::Path::new("test.toml"), configuration, []).expect("a good configuration");
    let agent = AgentId::new("gw").expect("an id");
    Decoder::new(&agent, true, settings.mappings.into()).with_dialects(&settings.decode)
}

fn decoder() -> Decoder {
    decoder_of("")
}

/// Writes readings as `type@source labels = value [@ micros]`, dead letters as `!reason`, asks as `?topic`; sorted.
fn shown(decoded: &Decoded) -> Vec<String> {
    let readings = decoded.readings.iter().map(|reading| {
        let value = match &reading.value {
            Value::Number(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Text(text) => format!("{text:?}"),
        };
        let time = if reading.time == NOW { String::new() } else { format!(" @ {}", reading.time.0) };
        format!("{} = {value}{time}", reading.series)
    });
    let letters = decoded.dead_letters.iter().map(|letter| format!("!{}", letter.reason));
    let mut lines: Vec<String> = readings.chain(letters).collect();
    lines.extend(decoded.asks.iter().map(|ask| format!("?{}", ask.topic)));
    lines.sort();
    lines
}

fn decode(decoder: &mut Decoder, topic: &str, payload: impl AsRef<[u8]>) -> Vec<String> {
    shown(&decoder.decode(topic, payload.as_ref(), NOW))
}

#[test]
fn a_mapping_goes_before_every_dialect() {
    let mut decoder =
        decoder_of("[[mapping]]\ntopic = \"tele/{source}/SENSOR\"\nvalue = \"/A/T\"\ntype = \"t\"\n");
    assert_eq!(decode(&mut decoder, "tele/x/SENSOR", r#"{"A": {"T": 1}}"#), ["t@gw/x = 1"]);
    let shelly = r#"{"method": "NotifyStatus", "params": {"temperature:0": {"tC": 2}}}"#;
    let expected = ["temperature@gw/s component=temperature:0 unit=°C = 2"];
    assert_eq!(
        decode(&mut decoder, "s/events/rpc", shelly),
        expected,
        "where no mapping matches, dialects hold"
    );
    assert_eq!(decode(&mut decoder, "a/b", "1"), ["!unmapped_topic"]);
}

#[test]
fn a_dialect_that_is_switched_off_leaves_its_messages_to_the_default_mapping() {
    let mut decoder = decoder_of("[decode]\ndialects = [\"shelly\"]\n");
    assert_eq!(decode(&mut decoder, "tele/x/SENSOR", r#"{"T": 1}"#), ["T@gw/tele/x/SENSOR = 1"]);
    assert_eq!(decode(&mut decoder, "x/events/rpc", r#"{"method": "NotifyEvent"}"#), [""; 0]);
}

#[test]
fn an_unknown_dialect_is_refused() {
    let faults = parse(std::path::Path::new("a.toml"), "[decode]\ndialects = [\"homie\"]\n", [])
        .expect_err("a fault")
        .to_string();
    assert!(faults.starts_with("a.toml:2: decode.dialects: has \"homie\""), "{faults}");
}

#[test]
fn what_the_default_mapping_reads_is_the_same_with_all_dialects() {
    let mut plain = Decoder::new(&AgentId::new("gw").expect("an id"), true, [].into());
    let mut all = plain_with_all();
    for (topic, payload) in [
        ("a/b", "21.5"),
        ("a/influx", "21.5"),
        ("a/b", "cpu idle=1"),
        ("tele/x/SENSOR", "21.5"),
        ("stat/x/POWER", "ON"),
        ("homeassistant/status/temperature", "21.5"),
        ("zigbee2mqtt/lamp/temperature", "21.5"),
        ("telegraf/host/cpu", r#"{"idle": 1}"#),
        ("x/events/rpc", r#"{"idle": 1}"#),
        ("a/b", "[1]"),
        ("a/b", r#"[{"x": 1}]"#),
        ("spBv1.0/a", "1"),
    ] {
        let (without, with) = (decode(&mut plain, topic, payload), decode(&mut all, topic, payload));
        assert_eq!(without, with, "{topic} {payload}");
    }
}

fn plain_with_all() -> Decoder {
    let agent = AgentId::new("gw").expect("an id");
    Decoder::new(&agent, true, [].into()).with_dialects(&DecodeSettings::default())
}
