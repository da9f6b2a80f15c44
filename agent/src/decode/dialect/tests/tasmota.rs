//! Tasmota, as its documentation and its devices' consoles show it.

use super::{decode, decoder};

#[test]
fn a_sensor_message_is_a_reading_of_each_chip_with_its_unit() {
    let payload = r#"{"Time":"2020-01-01T17:00:00","AM2301":{"Temperature":21.5,"Humidity":40.2,"DewPoint":7.4},
        "BMP280":{"Temperature":70.1,"Pressure":29.9},"DS18B20-1":{"Id":"0516C3","Temperature":69},
        "Switch1":"OFF","ANALOG":{"A0":512},"PressureUnit":"inHg","TempUnit":"F"}"#;
    assert_eq!(
        decode(&mut decoder(), "tele/cellar/SENSOR", payload),
        [
            "A0@gw/cellar chip=ANALOG = 512",
            "DewPoint@gw/cellar chip=AM2301 unit=°F = 7.4",
            "Humidity@gw/cellar chip=AM2301 unit=% = 40.2",
            "Pressure@gw/cellar chip=BMP280 unit=inHg = 29.9",
            "Switch1@gw/cellar = false",
            "Temperature@gw/cellar chip=AM2301 unit=°F = 21.5",
            "Temperature@gw/cellar chip=BMP280 unit=°F = 70.1",
            "Temperature@gw/cellar chip=DS18B20-1 unit=°F = 69",
        ]
    );
}

#[test]
fn energy_of_several_phases_is_apart_by_channel() {
    let payload = r#"{"Time":"2024-05-03T10:00:00+02:00","ENERGY":{"TotalStartTime":"2018-11-23T15:33:47",
        "Total":134.566,"Power":[12,7.5],"Voltage":230,"Factor":0.93}}"#;
    assert_eq!(
        decode(&mut decoder(), "tele/plugs/hall/SENSOR", payload),
        [
            "Factor@gw/plugs/hall chip=ENERGY = 0.93 @ 1714723200000000",
            "Power@gw/plugs/hall channel=1 chip=ENERGY unit=W = 12 @ 1714723200000000",
            "Power@gw/plugs/hall channel=2 chip=ENERGY unit=W = 7.5 @ 1714723200000000",
            "Total@gw/plugs/hall chip=ENERGY unit=kWh = 134.566 @ 1714723200000000",
            "Voltage@gw/plugs/hall chip=ENERGY unit=V = 230 @ 1714723200000000",
        ]
    );
}

#[test]
fn a_state_message_tells_of_the_radio_and_the_relays() {
    let payload = r#"{"Time":"1970-01-01T00:00:09+00:00","Uptime":"0T00:00:14","UptimeSec":14,"Vcc":3.4,"Heap":28,
        "SleepMode":"Dynamic","Sleep":50,"LoadAvg":19,"MqttCount":1,"POWER":"ON",
        "Wifi":{"AP":1,"SSId":"x","BSSId":"A0:B1","Channel":11,"RSSI":78,"Signal":-61,"LinkCount":1}}"#;
    assert_eq!(
        decode(&mut decoder(), "lamp/tele/STATE", payload),
        [
            "Heap@gw/lamp unit=kB = 28",
            "LinkCount@gw/lamp chip=Wifi = 1",
            "LoadAvg@gw/lamp = 19",
            "MqttCount@gw/lamp = 1",
            "POWER@gw/lamp = true",
            "RSSI@gw/lamp chip=Wifi unit=% = 78",
            "Signal@gw/lamp chip=Wifi unit=dBm = -61",
            "UptimeSec@gw/lamp unit=s = 14",
            "Vcc@gw/lamp unit=V = 3.4",
        ],
        "a clock that was not set yet does not date readings 1970"
    );
}

#[test]
fn what_is_no_measurement_is_no_reading_and_no_dead_letter() {
    let mut decoder = decoder();
    assert_eq!(decode(&mut decoder, "tele/x/LWT", "Online"), [""; 0]);
    assert_eq!(decode(&mut decoder, "tele/x/INFO1", r#"{"Info1":{"Module":"Sonoff"}}"#), [""; 0]);
    assert_eq!(decode(&mut decoder, "tele/x/SENSOR", r#"{"Time":"2020-01-01T00:00:00"}"#), [""; 0]);
    assert_eq!(decode(&mut decoder, "tele/x/SENSOR", r#"{"Time":"#), ["!bad_json"]);
}
