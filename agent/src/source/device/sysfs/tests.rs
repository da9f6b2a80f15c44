//! A sysfs of files in a temporary directory, as the kernel would show it.

use std::collections::BTreeMap;

use super::*;

/// A sysfs of files and their texts.
struct Sysfs(tempfile::TempDir);

impl Sysfs {
    fn with(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (file, text) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(path, text).expect("a file");
        }
        Self(root)
    }

    fn read(&self, class: SensorClass) -> BTreeMap<(String, String), String> {
        let shown = |found: Found| {
            let value = match found.sample.value {
                Value::Number(number) => format!("{number:.3}"),
                other => format!("{other:?}"),
            };
            let unit = found.sample.unit.unwrap_or_default();
            ((found.part, found.sample.name), format!("{value} {unit}").trim_end().to_owned())
        };
        read(self.0.path(), class).into_iter().map(shown).collect()
    }
}

fn expect(found: &BTreeMap<(String, String), String>, wanted: &[(&str, &str, &str)]) {
    for (part, name, value) in wanted {
        let key = ((*part).to_owned(), (*name).to_owned());
        assert_eq!(found.get(&key).map(String::as_str), Some(*value), "{part} {name} in {found:?}");
    }
    assert_eq!(found.len(), wanted.len(), "{found:?}");
}

#[test]
fn hwmon_channels_have_labels_names_and_units() {
    let sysfs = Sysfs::with(&[
        ("class/hwmon/hwmon0/name", "coretemp\n"),
        ("class/hwmon/hwmon0/temp1_input", "47000\n"),
        ("class/hwmon/hwmon0/temp1_label", "Core 0\n"),
        ("class/hwmon/hwmon0/temp1_crit", "100000\n"),
        ("class/hwmon/hwmon1/name", "nct6775\n"),
        ("class/hwmon/hwmon1/in0_input", "1032\n"),
        ("class/hwmon/hwmon1/fan2_input", "1250\n"),
        ("class/hwmon/hwmon1/power1_input", "12500000\n"),
        ("class/hwmon/hwmon1/temp3_input", "no data\n"),
    ]);
    expect(
        &sysfs.read(SensorClass::Hwmon),
        &[
            ("coretemp/Core 0", "temperature", "47.000 °C"),
            ("nct6775/in0", "voltage", "1.032 V"),
            ("nct6775/fan2", "fan_speed", "1250.000 rpm"),
            ("nct6775/power1", "power", "12.500 W"),
        ],
    );
}

#[test]
fn two_chips_of_one_name_are_told_apart() {
    let sysfs = Sysfs::with(&[
        ("class/hwmon/hwmon0/name", "nvme"),
        ("class/hwmon/hwmon0/temp1_input", "30000"),
        ("class/hwmon/hwmon1/name", "nvme"),
        ("class/hwmon/hwmon1/temp1_input", "40000"),
    ]);
    expect(
        &sysfs.read(SensorClass::Hwmon),
        &[("nvme/temp1", "temperature", "30.000 °C"), ("nvme/temp1 2", "temperature", "40.000 °C")],
    );
}

#[test]
fn thermal_zones_are_in_degrees() {
    let sysfs = Sysfs::with(&[
        ("class/thermal/thermal_zone0/type", "x86_pkg_temp"),
        ("class/thermal/thermal_zone0/temp", "51500"),
        ("class/thermal/cooling_device0/type", "Processor"),
    ]);
    expect(&sysfs.read(SensorClass::Thermal), &[("thermal/x86_pkg_temp 0", "temperature", "51.500 °C")]);
}

#[test]
fn iio_channels_are_read_processed_or_raw_with_offset_and_scale() {
    let sysfs = Sysfs::with(&[
        ("bus/iio/devices/iio:device0/name", "bme280"),
        ("bus/iio/devices/iio:device0/in_temp_input", "21870"),
        ("bus/iio/devices/iio:device0/in_humidityrelative_input", "45812"),
        ("bus/iio/devices/iio:device0/in_pressure_input", "101.325"),
        ("bus/iio/devices/iio:device1/name", "ads1015"),
        ("bus/iio/devices/iio:device1/in_voltage0_raw", "1000"),
        ("bus/iio/devices/iio:device1/in_voltage_scale", "3"),
        ("bus/iio/devices/iio:device1/in_voltage0_offset", "10"),
        ("bus/iio/devices/iio:device2/name", "scd30"),
        ("bus/iio/devices/iio:device2/in_concentration_co2_input", "0.0415"),
    ]);
    expect(
        &sysfs.read(SensorClass::Iio),
        &[
            ("bme280 0/temperature", "temperature", "21.870 °C"),
            ("bme280 0/humidity", "humidity", "45.812 %"),
            ("bme280 0/pressure", "pressure", "1013.250 hPa"),
            ("ads1015 1/voltage0", "voltage", "3.030 V"),
            ("scd30 2/co2", "co2", "415.000 ppm"),
        ],
    );
}

#[test]
fn a_one_wire_thermometer_with_a_wrong_checksum_says_nothing() {
    let slave = "bus/w1/devices/28-0000000000a1/w1_slave";
    let good = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";
    let bad = "72 01 4b 46 7f ff 0e 10 57 : crc=11 NO\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";
    let at = |text| Sysfs::with(&[(slave, text), ("bus/w1/devices/w1_bus_master1/temperature", "1")]);
    expect(&at(good).read(SensorClass::OneWire), &[("1-wire/28-0000000000a1", "temperature", "23.125 °C")]);
    expect(&at(bad).read(SensorClass::OneWire), &[]);
}

#[test]
fn a_battery_tells_its_charge_in_usual_units() {
    let sysfs = Sysfs::with(&[
        ("class/power_supply/BAT0/type", "Battery"),
        ("class/power_supply/BAT0/capacity", "87"),
        ("class/power_supply/BAT0/voltage_now", "12200000"),
        ("class/power_supply/BAT0/temp", "251"),
        ("class/power_supply/BAT0/status", "Discharging"),
        ("class/power_supply/AC/online", "0"),
    ]);
    expect(
        &sysfs.read(SensorClass::PowerSupply),
        &[
            ("power/BAT0", "charge_level", "87.000 %"),
            ("power/BAT0", "voltage", "12.200 V"),
            ("power/BAT0", "temperature", "25.100 °C"),
            ("power/BAT0", "status", "Text(\"Discharging\")"),
            ("power/AC", "online", "Boolean(false)"),
        ],
    );
}

#[test]
fn a_machine_without_sysfs_has_no_sensors() {
    let sysfs = Sysfs::with(&[]);
    for class in SensorClass::ALL {
        expect(&sysfs.read(class), &[]);
    }
}
