//! What the operator may write of a bus.

use std::path::Path;

use super::*;
use crate::config::parse;

const BUS: &str = "[[modbus]]\nname = \"plant\"\n";
const SLAVE: &str =
    "[[modbus.slave]]\nname = \"pump\"\nunit = 7\n[[modbus.slave.register]]\nname = \"speed\"\n";

fn read_bus(text: &str) -> Result<ModbusSettings, String> {
    let parsed = parse(Path::new("agent.toml"), text, []);
    parsed.map(|settings| settings.modbus[0].clone()).map_err(|faults| faults.to_string())
}

#[test]
fn an_address_a_slave_and_a_register_are_enough() {
    let settings = read_bus(&format!("{BUS}tcp = \"127.0.0.1:502\"\n{SLAVE}")).expect("a good section");
    assert_eq!(settings.bus, Bus::Tcp("127.0.0.1:502".into()));
    let slave = &settings.slaves[0];
    assert_eq!((slave.name.as_str(), slave.unit, slave.interval), ("pump", 7, Duration::from_secs(1)));
    let register = &slave.registers[0];
    assert_eq!((register.kind, register.register_type), (RegisterKind::Holding, RegisterType::U16));
}

#[test]
fn a_serial_bus_has_line_settings_and_a_slave_its_own_interval() {
    let text =
        format!("{BUS}port = \"/dev/ttyS1\"\nbaud = 19200\nparity = \"even\"\ninterval_ms = 5000\n{SLAVE}");
    let text = text.replace("unit = 7", "unit = 7\ninterval_ms = 200");
    let settings = read_bus(&text).expect("a good section");
    let Bus::Rtu(port) = settings.bus else { panic!("no serial bus") };
    assert_eq!((port.device, port.baud), (crate::config::serial::Device::Path("/dev/ttyS1".into()), 19_200));
    assert_eq!(settings.slaves[0].interval, Duration::from_millis(200));
}

#[test]
fn what_cannot_work_is_refused_with_its_key() {
    let tcp = "tcp = \"127.0.0.1:502\"\n";
    for (bus, register, key) in [
        ("tcp = \"127.0.0.1\"\n", "", "modbus.tcp: must be HOST:PORT"),
        ("tcp = \"a:1\"\nport = \"/dev/ttyS1\"\n", "", "modbus.port: unknown key"),
        ("", "", "modbus.port: is needed"),
        (tcp, "kind = \"coil\"\ntype = \"u16\"", "modbus.slave.register.type: must be \"bool\""),
        (tcp, "type = \"u24\"", "modbus.slave.register.type: must be one of"),
        (tcp, "type = \"bits\"\nscale = 2.0", "modbus.slave.register.type: is no number"),
        (tcp, "type = \"f32\"\naddress = 65535", "modbus.slave.register.address: leaves no room"),
        (tcp, "word_order = \"middle\"", "modbus.slave.register.word_order"),
        (
            tcp,
            "[[modbus.slave.register]]\nname = \"speed\"",
            "modbus.slave.register: \"speed\" stands there twice",
        ),
        (tcp, "[[modbus.slave]]\nname = \"valve\"\nunit = 248", "modbus.slave.unit: must be from 1 to 247"),
        (tcp, "[[modbus.slave]]\nname = \"valve\"", "modbus.slave.register: is needed"),
    ] {
        let faults = read_bus(&format!("{BUS}{bus}{SLAVE}{register}\n")).expect_err(key);
        assert!(faults.contains(key), "{key}: {faults}");
    }
}
