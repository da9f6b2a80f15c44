//! What the operator may write of a serial line.

use std::path::Path;

use super::*;
use crate::config::parse;

fn read_section(text: &str) -> Result<SerialSettings, String> {
    let text = format!("[[serial]]\nname = \"scale\"\nport = \"/dev/ttyS0\"\n{text}");
    let parsed = parse(Path::new("agent.toml"), &text, []);
    parsed.map(|settings| settings.serials[0].clone()).map_err(|faults| faults.to_string())
}

#[test]
fn a_name_and_a_port_are_enough() {
    let settings = read_section("").expect("a good section");
    let device = Device::Path("/dev/ttyS0".into());
    let port = PortSettings { device, ..PortSettings::default() };
    assert_eq!(settings, SerialSettings { name: "scale".into(), port, ..SerialSettings::default() });
}

#[test]
fn what_cannot_work_is_refused_with_its_key() {
    for (text, key) in [
        ("baud = 9601", "serial.baud: must be one of 50, "),
        ("data_bits = 9", "serial.data_bits"),
        ("parity = \"mark\"", "serial.parity"),
        ("usb_vendor = \"0403\"", "serial.port: stands beside"),
        ("framing = \"lines\"\ndelimiter = \"\"", "serial.delimiter"),
        ("framing = \"length_prefix\"\nprefix_bytes = 3", "serial.prefix_bytes"),
        ("checksum = \"crc16_modbus\"", "serial.checksum_text"),
        ("framing = \"fixed\"\nlength = 4\nchecksum = \"crc32\"", "serial.length"),
        ("framing = \"fixed\"\nlength = 2000", "serial.length"),
        ("format = \"csv\"", "serial.columns"),
        ("format = \"regex\"\npattern = \"[0-9]+\"", "serial.pattern: must have a named group"),
        ("format = \"regex\"\npattern = \"(?<a>\"", "serial.pattern"),
        ("format = \"binary\"", "serial.format: binary needs"),
        ("format = \"json\"\nvalues = { a = \"b\" }", "serial.values"),
        ("poll_hex = \"0\"", "serial.poll_hex"),
        ("poll_hex = \"00\"\npoll_text = \"?\"", "serial.poll_hex"),
        ("[[serial.field]]\nscale = nan", "serial.field.scale: must be a finite number"),
        ("speed = 1", "serial.speed: unknown key"),
    ] {
        let faults = read_section(text).expect_err(text);
        assert!(faults.contains(key), "{text}: {faults}");
    }
}

#[test]
fn a_binary_record_behind_a_start_is_described_by_its_fields() {
    let text = "framing = \"length_prefix\"\nstart = \"AA 55\"\nlength_counts = \"rest\"\nchecksum = \"crc16_modbus\"\n\
                checksum_order = \"little\"\nformat = \"binary\"\npoll_hex = \"01 03\"\n[[serial.field]]\n\
                type = \"temperature\"\noffset = 2\nnumber = \"i16\"\nscale = 0.1\nunit = \"°C\"\n";
    let settings = read_section(text).expect("a good section");
    let RecordFormat::Binary(fields) = &settings.record.format else { panic!("{settings:?}") };
    assert_eq!((fields[0].offset, fields[0].field_type, fields[0].scale), (2, FieldType::I16, 0.1));
    assert_eq!(settings.poll.map(|poll| poll.send), Some(vec![1, 3]));
    let Framing::LengthPrefix { start, counts, .. } = settings.framing.framing else { panic!("no prefix") };
    assert_eq!((start, counts), (vec![0xAA, 0x55], LengthCounts::Rest));
}

#[test]
fn an_adapter_is_named_by_four_digits_each() {
    let text = "[[serial]]\nname = \"a\"\nusb_vendor = \"0403\"\nusb_product = \"6001\"\nusb_serial_number = \"A1\"\n";
    let settings = parse(Path::new("agent.toml"), text, []).expect("a good section");
    assert_eq!(settings.serials[0].port.device.to_string(), "USB 0403:6001 A1");
    let faults = parse(Path::new("agent.toml"), &text.replace("0403", "403"), []).expect_err("three digits");
    assert!(faults.to_string().contains("serial.usb_vendor: must be four"), "{faults}");
}
