//! Who is read, how often, and who is left out.

use std::net::SocketAddr;

use penstock_shared::reading::Value;

use super::line::{Line, Noise};
use super::slaves::{ABSENT, Slaves};
use super::world::{World, settings};

const SPEED: &str = "[[modbus.slave.register]]\nname = \"speed\"\naddress = 7\n";
const UNITS: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const DEAD: [u8; 2] = [3, 6];

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn a_slaves_registers_become_readings_with_their_units() {
    let slaves = Slaves::default();
    let (address, _server) = slaves.serve(any_port()).await;
    let registers = format!(
        "{SPEED}scale = 0.5\nunit = \"rpm\"\n[[modbus.slave.register]]\nname = \"on\"\nkind = \"coil\"\naddress = 3\n"
    );
    let bus = format!("tcp = \"{address}\"\ninterval_ms = 20");
    let world = World::start(settings(&bus, &[2], &registers));
    world.until(|world| world.commits().len() == 2).await;
    let values = world.values();
    assert!(values.contains(&("slave2 speed".into(), Value::Number(1003.5))), "{values:?}");
    assert!(values.contains(&("slave2 on".into(), Value::Boolean(true))), "{values:?}");
    world.stop().await;
}

/// Compares a bus of eight of which two are dead with a whole one, which is what can be expected of this machine.
async fn two_dead_slaves_do_not_hold_up_the_six_others(whole: &str, broken: &str, slaves: &Slaves) {
    let start = |bus: &str| {
        World::start(settings(&format!("{bus}\ninterval_ms = 100\ntimeout_ms = 40"), &UNITS, SPEED))
    };
    let (whole, broken) = (start(whole), start(broken));
    whole.until(|world| world.commits().get("slave1 speed").is_some_and(|count| *count >= 60)).await;
    let (expected, found) = (whole.commits(), broken.commits());
    for unit in UNITS.iter().filter(|unit| !DEAD.contains(unit)) {
        let series = format!("slave{unit} speed");
        let (expected, found) = (expected[&series], found.get(&series).copied().unwrap_or_default());
        assert!(found * 10 >= expected * 9, "{series}: {found} of {expected}");
    }
    for unit in DEAD {
        assert!((4..10).contains(&slaves.asked(unit)), "asked {} times", slaves.asked(unit));
    }
    assert_eq!(found.len(), 6);
    whole.stop().await;
    broken.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_tcp_two_dead_slaves_do_not_hold_up_the_six_others() {
    let (whole, broken) = (Slaves::default(), Slaves::default());
    broken.kill(&DEAD);
    let (of_whole, _server) = whole.serve(any_port()).await;
    let (of_broken, _other_server) = broken.serve(any_port()).await;
    let [of_whole, of_broken] = [of_whole, of_broken].map(|address| format!("tcp = \"{address}\""));
    two_dead_slaves_do_not_hold_up_the_six_others(&of_whole, &of_broken, &broken).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_serial_line_two_dead_slaves_do_not_hold_up_the_six_others() {
    let (whole, broken) = (Slaves::default(), Slaves::default());
    broken.kill(&DEAD);
    let lines = [Line::plug(&whole, Noise::None), Line::plug(&broken, Noise::None)];
    two_dead_slaves_do_not_hold_up_the_six_others(&lines[0].keys(), &lines[1].keys(), &broken).await;
}

#[tokio::test]
async fn a_slave_that_comes_back_is_read_again() {
    let slaves = Slaves::default();
    slaves.kill(&[2]);
    let (address, _server) = slaves.serve(any_port()).await;
    let bus = format!("tcp = \"{address}\"\ninterval_ms = 20\ntimeout_ms = 20\nbackoff_max_seconds = 1");
    let world = World::start(settings(&bus, &[1, 2], SPEED));
    world.until(|_| slaves.asked(2) >= 3).await;
    slaves.kill(&[]);
    world.until(|world| world.commits().get("slave2 speed").is_some_and(|count| *count >= 5)).await;
    world.stop().await;
}

#[tokio::test]
async fn a_register_that_a_slave_does_not_have_is_counted_and_the_others_are_read() {
    let slaves = Slaves::default();
    let (address, _server) = slaves.serve(any_port()).await;
    let registers = format!(
        "[[modbus.slave.register]]\nname = \"absent\"\naddress = {ABSENT}\n\
         [[modbus.slave.register]]\nname = \"last\"\naddress = {}\n\
         [[modbus.slave.register]]\nname = \"before\"\naddress = {}\n",
        ABSENT - 1,
        ABSENT - 4,
    );
    let bus = format!("tcp = \"{address}\"\ninterval_ms = 20");
    let world = World::start(settings(&bus, &[1], &registers));
    world.until(|world| world.commits().get("slave1 last").is_some_and(|count| *count >= 5)).await;
    let commits = world.commits();
    assert_eq!(commits.keys().collect::<Vec<_>>(), ["slave1 before", "slave1 last"]);
    assert!(world.counts().exceptions >= 5, "{:?}", world.counts());
    world.stop().await;
}

#[tokio::test]
async fn a_bus_that_cannot_be_reached_is_read_once_it_can() {
    let slaves = Slaves::default();
    let (address, server) = slaves.serve(any_port()).await;
    server.abort();
    assert!(server.await.is_err_and(|error| error.is_cancelled()));
    let bus = format!("tcp = \"{address}\"\ninterval_ms = 20\nbackoff_max_seconds = 1");
    let world = World::start(settings(&bus, &[1], SPEED));
    tokio::task::yield_now().await;
    assert_eq!(world.counts().openings, 0);
    let (_, _server) = slaves.serve(address).await;
    world.until(|world| !world.commits().is_empty()).await;
    world.stop().await;
}
