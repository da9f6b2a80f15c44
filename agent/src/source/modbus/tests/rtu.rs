//! Slaves on one serial line: whatever it does to answers, no wrong value is taken for a right one.

use std::time::Duration;

use penstock_shared::reading::Value;

use super::line::{Line, Noise};
use super::slaves::{ABSENT, Slaves};
use super::world::{World, settings};

/// A register and a coil, in a request each.
const REGISTERS: &str = "[[modbus.slave.register]]\nname = \"low\"\naddress = 7\n\
                         [[modbus.slave.register]]\nname = \"high\"\naddress = 60\n\
                         [[modbus.slave.register]]\nname = \"on\"\nkind = \"coil\"\naddress = 3\n";
const UNITS: [u8; 3] = [1, 2, 3];

/// Reads three slaves for some rounds and checks every value.
async fn every_value_is_right(noise: Noise, timeout_ms: u64) -> World {
    let slaves = Slaves::default();
    let line = Line::plug(&slaves, noise);
    let bus =
        format!("{}\ninterval_ms = 20\ntimeout_ms = {timeout_ms}\nbackoff_max_seconds = 1", line.keys());
    let world = World::start(settings(&bus, &UNITS, REGISTERS));
    world.until(|world| world.commits().len() == 9 && world.values().len() >= 200).await;
    for (series, value) in world.values() {
        let expected = UNITS.iter().find_map(|unit| {
            let base = f64::from(*unit) * 1000.0;
            let name = series.strip_prefix(&format!("slave{unit} "))?;
            Some(match name {
                "low" => Value::Number(base + 7.0),
                "high" => Value::Number(base + 60.0),
                _ => Value::Boolean(true),
            })
        });
        assert_eq!(Some(value), expected, "{series}");
    }
    world
}

#[tokio::test]
async fn slaves_on_a_serial_line_are_read_one_after_the_other() {
    let world = every_value_is_right(Noise::None, 500).await;
    assert_eq!(world.counts().garbled, 0);
    world.stop().await;
}

#[tokio::test]
async fn an_answer_with_a_wrong_bit_is_no_value() {
    let world = every_value_is_right(Noise::Bits, 50).await;
    let counts = world.counts();
    assert!(counts.garbled + counts.timeouts > 0, "{counts:?}");
    assert_eq!(counts.openings, 1, "noise is no reason to open the port anew");
    world.stop().await;
}

#[tokio::test]
async fn an_answer_after_its_timeout_is_not_taken_for_that_to_the_next_question() {
    let world = every_value_is_right(Noise::Delay(Duration::from_millis(200)), 150).await;
    assert!(world.counts().timeouts > 0);
    world.stop().await;
}

#[tokio::test]
async fn a_dead_and_a_refusing_slave_on_the_line_leave_the_other_read() {
    let slaves = Slaves::default();
    slaves.kill(&[1]);
    let line = Line::plug(&slaves, Noise::None);
    let bus = format!("{}\ninterval_ms = 20\ntimeout_ms = 40", line.keys());
    let registers = REGISTERS.replace("address = 60", &format!("address = {ABSENT}"));
    let world = World::start(settings(&bus, &[1, 2], &registers));
    world.until(|world| world.commits().get("slave2 low").is_some_and(|count| *count >= 50)).await;
    assert!(slaves.asked(1) < 10, "asked {} times", slaves.asked(1));
    assert_eq!(world.commits().into_keys().collect::<Vec<_>>(), ["slave2 low", "slave2 on"]);
    assert!(world.counts().exceptions > 0);
    world.stop().await;
}

#[tokio::test]
async fn a_port_that_is_plugged_in_later_is_found() {
    let slaves = Slaves::default();
    let line = Line::plug(&slaves, Noise::None);
    let away = line.keys().replace("/bus", "/later");
    let bus = format!("{away}\ninterval_ms = 20\nbackoff_max_seconds = 1");
    let world = World::start(settings(&bus, &[1], REGISTERS));
    tokio::task::yield_now().await;
    assert_eq!(world.counts().openings, 0);
    line.rename("later");
    world.until(|world| world.commits().len() == 3).await;
    world.stop().await;
}
