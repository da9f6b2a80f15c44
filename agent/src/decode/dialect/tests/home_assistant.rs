//! Discovery as Zigbee2MQTT and ESPHome announce it, and Zigbee2MQTT without.

use super::{decode, decoder};

const Z2M_TEMPERATURE: (&str, &str) = (
    "homeassistant/sensor/0x00158d00018255df/temperature/config",
    r#"{"availability":[{"topic":"zigbee2mqtt/bridge/state"}],"availability_mode":"all",
        "device":{"identifiers":["zigbee2mqtt_0x00158d00018255df"],"manufacturer":"Aqara","name":"living room"},
        "device_class":"temperature","enabled_by_default":true,"object_id":"living_room_temperature",
        "state_class":"measurement","state_topic":"zigbee2mqtt/living room","unique_id":"0x00158d_temperature_zigbee2mqtt",
        "unit_of_measurement":"°C","value_template":"{{ value_json.temperature }}"}"#,
);
const Z2M_CONTACT: (&str, &str) = (
    "homeassistant/binary_sensor/0x00158d00018255df/contact/config",
    r#"{"device":{"identifiers":["zigbee2mqtt_0x00158d00018255df"],"name":"living room"},"device_class":"door",
        "payload_off":true,"payload_on":false,"state_topic":"zigbee2mqtt/living room",
        "value_template":"{{ value_json.contact }}"}"#,
);
const ESPHOME_SENSOR: (&str, &str) = (
    "homeassistant/sensor/weather/outdoor_temperature/config",
    r#"{"dev_cla":"temperature","unit_of_meas":"°C","stat_cla":"measurement","name":"Outdoor Temperature",
        "stat_t":"weather/sensor/outdoor_temperature/state","avty_t":"weather/status","uniq_id":"ESPsensor1",
        "dev":{"ids":"c4dd57","name":"weather","sw":"esphome v2023.12.5","mdl":"esp32dev"}}"#,
);

fn discovered(announcements: &[(&str, &str)]) -> crate::decode::Decoder {
    let mut decoder = decoder();
    for (topic, payload) in announcements {
        assert_eq!(decode(&mut decoder, topic, payload), [""; 0], "an announcement is no reading");
    }
    decoder
}

#[test]
fn zigbee2mqtt_with_discovery_has_names_units_and_positions() {
    let mut decoder = discovered(&[Z2M_TEMPERATURE, Z2M_CONTACT]);
    let state = r#"{"battery":97,"contact":false,"temperature":21.5,"voltage":3005,"linkquality":120,"update":{"state":"idle"},
        "last_seen":"2024-05-03T08:00:00Z"}"#;
    assert_eq!(
        decode(&mut decoder, "zigbee2mqtt/living room", state),
        [
            "battery@gw/living room unit=% = 97 @ 1714723200000000",
            "door@gw/living room name=contact = true @ 1714723200000000",
            "linkquality@gw/living room unit=lqi = 120 @ 1714723200000000",
            "temperature@gw/living room unit=°C = 21.5 @ 1714723200000000",
            "voltage@gw/living room = 3005 @ 1714723200000000",
        ],
        "what is not announced is read by its members' names"
    );
}

#[test]
fn zigbee2mqtt_without_discovery_has_the_same_names() {
    let mut decoder = decoder();
    assert_eq!(
        decode(
            &mut decoder,
            "zigbee2mqtt/living room",
            r#"{"state":"ON","temperature":21.5,"color":{"x":1}}"#
        ),
        ["state@gw/living room = true", "temperature@gw/living room unit=°C = 21.5"]
    );
    for topic in ["zigbee2mqtt/bridge/state", "zigbee2mqtt/bridge/devices", "zigbee2mqtt/lamp/availability"] {
        assert_eq!(decode(&mut decoder, topic, r#"{"state":"online"}"#), [""; 0], "{topic}");
    }
    assert_eq!(decode(&mut decoder, "zigbee2mqtt/lamp/set", r#"{"brightness":7}"#), [""; 0]);
    assert_eq!(decode(&mut decoder, "zigbee2mqtt/lamp", "{"), ["!bad_json"]);
}

#[test]
fn esphome_has_two_temperatures_of_one_device_apart() {
    let indoor = ESPHOME_SENSOR.1.replace("Outdoor", "Indoor").replace("outdoor", "indoor");
    let relay = r#"{"name":"Pump","stat_t":"~/switch/pump/state","cmd_t":"~/switch/pump/command","~":"weather","dev":{"name":"weather"}}"#;
    let mut decoder = discovered(&[
        ESPHOME_SENSOR,
        ("homeassistant/sensor/weather/indoor_temperature/config", &indoor),
        ("homeassistant/switch/weather/pump/config", relay),
    ]);
    let mut state = |topic: &str, payload: &str| decode(&mut decoder, topic, payload);
    assert_eq!(
        state("weather/sensor/outdoor_temperature/state", "-3.25"),
        ["temperature@gw/weather name=Outdoor Temperature unit=°C = -3.25"]
    );
    assert_eq!(
        state("weather/sensor/indoor_temperature/state", "21.5"),
        ["temperature@gw/weather name=Indoor Temperature unit=°C = 21.5"]
    );
    assert_eq!(state("weather/switch/pump/state", "ON"), ["pump@gw/weather = true"]);
    assert_eq!(state("weather/switch/pump/state", "unknown"), [""; 0]);
    assert_eq!(state("weather/switch/pump/state", "7"), ["!not_a_value"]);
    assert_eq!(state("weather/sensor/indoor_temperature/state", "nan"), ["!not_finite"]);
    assert_eq!(state("homeassistant/status", "online"), [""; 0]);
}

#[test]
fn a_device_announced_as_a_whole_has_all_its_components() {
    let device = r#"{"dev":{"ids":"ea334450945afc","name":"Kitchen"},"o":{"name":"bla2mqtt"},
        "cmps":{"t1":{"p":"sensor","device_class":"temperature","unit_of_measurement":"°C",
        "value_template":"{{ value_json.temperature | float | round(1) }}","unique_id":"t1"},
        "h1":{"p":"sensor","unit_of_measurement":"%","value_template":"{{ value_json['hum'] | default(0) }}"},
        "b1":{"p":"button","command_topic":"x"}},"state_topic":"sensorBedroom/state","qos":2}"#;
    let mut decoder = discovered(&[("homeassistant/device/0AFFD2/config", device)]);
    assert_eq!(
        decode(&mut decoder, "sensorBedroom/state", r#"{"temperature":21.449,"hum":40}"#),
        ["hum@gw/Kitchen unit=% = 40", "temperature@gw/Kitchen unit=°C = 21.4"]
    );
    assert_eq!(
        decode(&mut decoder, "sensorBedroom/state", r#"{"temperature":20}"#),
        ["temperature@gw/Kitchen unit=°C = 20"],
        "a default was not measured"
    );
}

#[test]
fn a_withdrawn_entity_is_forgotten_and_one_announced_anew_is_replaced() {
    let mut decoder = discovered(&[ESPHOME_SENSOR]);
    let renamed = ESPHOME_SENSOR.1.replace("\"weather\"", "\"roof\"");
    decode(&mut decoder, ESPHOME_SENSOR.0, &renamed);
    let topic = "weather/sensor/outdoor_temperature/state";
    assert_eq!(
        decode(&mut decoder, topic, "1"),
        ["temperature@gw/roof name=Outdoor Temperature unit=°C = 1"]
    );
    decode(&mut decoder, ESPHOME_SENSOR.0, "");
    assert_eq!(decode(&mut decoder, topic, "1"), ["state@gw/weather/sensor/outdoor_temperature = 1"]);
}

#[test]
fn an_entity_with_a_template_beyond_the_common_shapes_is_read_by_the_default_mapping() {
    let odd = r#"{"stat_t":"odd/state","val_tpl":"{% if value_json.a %}1{% endif %}","dev":{"name":"odd"}}"#;
    let mut decoder = discovered(&[("homeassistant/sensor/odd/config", odd)]);
    assert_eq!(decode(&mut decoder, "odd/state", r#"{"a":1}"#), ["a@gw/odd/state = 1"]);
}

#[test]
fn entities_that_are_invented_without_end_do_not_fill_the_memory() {
    let mut decoder = decoder();
    let mut refused = 0;
    for number in 0..4_500 {
        let config = format!(r#"{{"stat_t":"s/{number}","dev":{{"name":"d"}}}}"#);
        let topic = format!("homeassistant/sensor/e{number}/config");
        refused += decode(&mut decoder, &topic, config).len();
    }
    assert_eq!(refused, 500);
}

#[test]
fn announcements_are_wanted_although_they_are_retained_and_nothing_else_is() {
    let decoder = decoder();
    assert!(decoder.wants_retained("homeassistant/sensor/node/object/config"));
    assert!(decoder.wants_retained("homeassistant/device/object/config"));
    assert!(!decoder.wants_retained("homeassistant/sensor/config"));
    assert!(!decoder.wants_retained("homeassistant/a/b/c/d/config"));
    assert!(!decoder.wants_retained("zigbee2mqtt/lamp"));
    assert!(!super::decoder_of("[decode]\ndialects = []\n").wants_retained("homeassistant/sensor/o/config"));
}
