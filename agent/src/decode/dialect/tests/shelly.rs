//! Shelly's notifications, as its API documentation shows them.

use super::{decode, decoder};

#[test]
fn a_status_is_a_reading_of_each_member_with_its_unit() {
    let payload = r#"{"src":"shellyplus1pm-a8032abe54dc","dst":"shellyplus1pm-a8032abe54dc/events","method":"NotifyStatus",
        "params":{"ts":1631266595.44,"switch:0":{"id":0,"source":"timer","output":true,"apower":8.9,"voltage":237.5,
        "current":0.05,"aenergy":{"total":6.532,"by_minute":[45.1,47.1],"minute_ts":1626935779},
        "temperature":{"tC":23.5,"tF":74.4}}}}"#;
    let (series, time) = ("gw/shellyplus1pm-a8032abe54dc component=switch:0", "@ 1631266595440000");
    assert_eq!(
        decode(&mut decoder(), "shellyplus1pm-a8032abe54dc/events/rpc", payload),
        [
            format!("current@{series} unit=A = 0.05 {time}"),
            format!("energy@{series} unit=Wh = 6.532 {time}"),
            format!("output@{series} = true {time}"),
            format!("power@{series} unit=W = 8.9 {time}"),
            format!("temperature@{series} unit=°C = 23.5 {time}"),
            format!("voltage@{series} unit=V = 237.5 {time}"),
        ]
    );
}

#[test]
fn a_full_status_of_a_battery_sensor_leaves_the_connection_out() {
    let payload = r#"{"src":"shellyplusht-08b61fcb","method":"NotifyFullStatus","params":{"ts":5.6,"ble":{"x":1},
        "cloud":{"connected":false},"devicepower:0":{"id":0,"battery":{"V":5.73,"percent":99},"external":{"present":false}},
        "humidity:0":{"id":0,"rh":47.1},"temperature:0":{"id":0,"tC":24.3,"tF":75.7},"mqtt":{"connected":true},
        "sys":{"mac":"08B6","unixtime":1650372,"uptime":1,"ram_free":148900,"cfg_rev":10},
        "wifi":{"sta_ip":"10.0.0.3","rssi":-62}}}"#;
    assert_eq!(
        decode(&mut decoder(), "house/bath/events/rpc", payload),
        [
            "battery@gw/house/bath component=devicepower:0 unit=% = 99",
            "external.present@gw/house/bath component=devicepower:0 = false",
            "humidity@gw/house/bath component=humidity:0 unit=% = 47.1",
            "ram_free@gw/house/bath component=sys unit=B = 148900",
            "rssi@gw/house/bath component=wifi unit=dBm = -62",
            "temperature@gw/house/bath component=temperature:0 unit=°C = 24.3",
            "uptime@gw/house/bath component=sys unit=s = 1",
            "voltage@gw/house/bath component=devicepower:0 unit=V = 5.73",
        ],
        "the device's clock was not set: its ts is no time"
    );
}

#[test]
fn phases_of_a_meter_are_apart() {
    let payload = r#"{"method":"NotifyStatus","params":{"ts":1700000000,
        "em:0":{"id":0,"a_current":4.0,"a_act_power":951.2,"b_voltage":236.1,"n_current":null,"total_act_power":2484.8},
        "emdata:0":{"id":0,"a_total_act_energy":12.5,"total_act":30.5},"pm1:0":{"id":0,"freq":50,"pf":0.9},
        "input:0":{"id":0,"state":true}}}"#;
    assert_eq!(
        decode(&mut decoder(), "meter/events/rpc", payload),
        [
            "current@gw/meter component=em:0 phase=a unit=A = 4 @ 1700000000000000",
            "energy@gw/meter component=emdata:0 phase=a unit=Wh = 12.5 @ 1700000000000000",
            "energy@gw/meter component=emdata:0 phase=total unit=Wh = 30.5 @ 1700000000000000",
            "frequency@gw/meter component=pm1:0 unit=Hz = 50 @ 1700000000000000",
            "power@gw/meter component=em:0 phase=a unit=W = 951.2 @ 1700000000000000",
            "power@gw/meter component=em:0 phase=total unit=W = 2484.8 @ 1700000000000000",
            "power_factor@gw/meter component=pm1:0 = 0.9 @ 1700000000000000",
            "state@gw/meter component=input:0 = true @ 1700000000000000",
            "voltage@gw/meter component=em:0 phase=b unit=V = 236.1 @ 1700000000000000",
        ]
    );
}

#[test]
fn a_pressed_button_is_no_measurement() {
    let event = r#"{"src":"s","method":"NotifyEvent","params":{"ts":1,"events":[{"component":"input:0","event":"single_push"}]}}"#;
    assert_eq!(decode(&mut decoder(), "s/events/rpc", event), [""; 0]);
    assert_eq!(decode(&mut decoder(), "s/events/rpc", "{\"method\""), ["!bad_json"]);
}
