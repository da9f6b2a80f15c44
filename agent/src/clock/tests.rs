//! A gateway without a battery-backed clock, through boots, restarts and lost networks.

use std::sync::Arc;

use penstock_shared::reading::{Series, Value};

use super::*;

const TODAY: i64 = EARLIEST.0 + 30 * 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// A machine whose clock and uptime the test turns.
#[derive(Clone)]
struct Machine {
    now: Arc<Mutex<Moment>>,
    boot: u8,
}

impl Machine {
    fn booted(boot: u8, wall: i64) -> Self {
        let moment = Moment { wall: TimestampMicros(wall), uptime: Duration::from_secs(5) };
        Self { now: Arc::new(Mutex::new(moment)), boot }
    }

    fn open(&self, dir: &Path) -> Clock {
        self.open_with(dir, ClockSettings::default())
    }

    fn open_with(&self, dir: &Path, settings: ClockSettings) -> Clock {
        let now = Arc::clone(&self.now);
        let source = TimeSource::of([self.boot; 16], move || *now.lock().expect("no panic"));
        Clock::over(dir, settings, source).expect("a clock")
    }

    fn pass(&self, seconds: i64) {
        let mut now = self.now.lock().expect("no panic");
        now.wall.0 += seconds * SECOND;
        now.uptime += Duration::from_secs(seconds.unsigned_abs());
    }

    fn set(&self, wall: i64) {
        self.now.lock().expect("no panic").wall = TimestampMicros(wall);
    }
}

fn reading(time: i64) -> Reading {
    let series = Arc::new(Series::new("temperature", "gw/a").expect("a valid series"));
    Reading { series, time: TimestampMicros(time), value: Value::Number(1.0) }
}

/// What the disk gets for a reading that arrived at `time` by the clock as it then stood.
fn stamped(clock: &Clock, time: i64) -> TimestampMicros {
    let mut reading = reading(time);
    clock.stamp().expect("a disk").apply(&mut reading);
    reading.time
}

#[test]
fn with_a_set_clock_nothing_is_rewritten() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Machine::booted(1, TODAY).open(dir.path());
    assert!(clock.is_set());
    assert_eq!(clock.stamp().expect("a disk").now, TimestampMicros(TODAY));
    for time in [TODAY, TODAY - 1, 0, 5 * SECOND] {
        assert_eq!(stamped(&clock, time), TimestampMicros(time));
        assert_eq!(clock.resolve(TimestampMicros(time)), Some(TimestampMicros(time)));
    }
}

#[test]
fn what_arrives_before_the_clock_is_set_is_stamped_once_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let machine = Machine::booted(1, 20 * SECOND);
    let clock = machine.open(dir.path());
    assert!(!clock.is_set());
    let arrived = stamped(&clock, 20 * SECOND);
    let of_a_device = stamped(&clock, TODAY);
    assert_eq!(clock.resolve(arrived), None);
    assert_eq!(clock.resolve(of_a_device), Some(TimestampMicros(TODAY)));
    machine.pass(40);
    let later = stamped(&clock, 60 * SECOND);
    machine.set(TODAY + 40 * SECOND);
    assert!(clock.is_set());
    assert_eq!(clock.resolve(arrived), Some(TimestampMicros(TODAY)));
    assert_eq!(clock.resolve(later), Some(TimestampMicros(TODAY + 40 * SECOND)));
}

#[test]
fn what_arrived_just_before_the_clock_was_set_and_is_committed_after_is_stamped_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let machine = Machine::booted(1, 20 * SECOND);
    let clock = machine.open(dir.path());
    machine.pass(2);
    machine.set(TODAY);
    assert_eq!(stamped(&clock, 20 * SECOND), TimestampMicros(TODAY - 2 * SECOND));
    // Long after, the past is what a device says.
    machine.pass(3600);
    assert_eq!(stamped(&clock, 20 * SECOND), TimestampMicros(20 * SECOND));
}

#[test]
fn an_agent_that_starts_again_in_the_same_boot_knows_its_offset() {
    let dir = tempfile::tempdir().expect("a directory");
    let machine = Machine::booted(1, 20 * SECOND);
    let arrived = stamped(&machine.open(dir.path()), 20 * SECOND);
    let clock = machine.open(dir.path());
    assert_eq!(clock.resolve(arrived), None);
    machine.pass(10);
    machine.set(TODAY);
    drop(clock);
    assert_eq!(machine.open(dir.path()).resolve(arrived), Some(TimestampMicros(TODAY - 10 * SECOND)));
}

#[test]
fn a_boot_whose_clock_was_set_is_known_in_later_boots() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = Machine::booted(1, 20 * SECOND);
    let clock = first.open(dir.path());
    let arrived = stamped(&clock, 20 * SECOND);
    first.set(TODAY);
    assert!(clock.is_set());
    drop(clock);
    // The next boot's clock is not set yet, and what arrived in the first can go all the same.
    let second = Machine::booted(2, 7 * SECOND);
    let clock = second.open(dir.path());
    assert_eq!(clock.resolve(arrived), Some(TimestampMicros(TODAY)));
    assert_eq!(clock.resolve(stamped(&clock, 7 * SECOND)), None);
}

#[test]
fn a_boot_that_ended_before_its_clock_was_set_is_placed_behind_what_was_known() {
    let dir = tempfile::tempdir().expect("a directory");
    let before = Machine::booted(1, TODAY);
    assert!(before.open(dir.path()).is_set());
    let without = Machine::booted(2, 20 * SECOND);
    let clock = without.open(dir.path());
    let arrived = stamped(&clock, 20 * SECOND);
    without.pass(30);
    let later = stamped(&clock, 50 * SECOND);
    drop(clock);
    let after = Machine::booted(3, TODAY + 86_400 * SECOND).open(dir.path());
    let (arrived, later) = (after.resolve(arrived).expect("a time"), after.resolve(later).expect("a time"));
    assert!(arrived.0 >= TODAY && arrived.0 < TODAY + 60 * SECOND, "{arrived:?}");
    assert_eq!(later.0 - arrived.0, 30 * SECOND);
}

#[test]
fn a_clock_that_went_back_is_not_believed_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(Machine::booted(1, TODAY).open(dir.path()).is_set());
    // As systemd does it: the clock goes on from the last time that it saved, a day earlier.
    let machine = Machine::booted(2, TODAY - 86_400 * SECOND);
    let clock = machine.open(dir.path());
    assert!(!clock.is_set());
    let arrived = stamped(&clock, TODAY - 86_400 * SECOND);
    assert_eq!(clock.resolve(arrived), None);
    // An isolated gateway is not held for ever.
    machine.pass(3600);
    assert!(clock.is_set());
    assert_eq!(clock.resolve(arrived), Some(TimestampMicros(TODAY - 86_400 * SECOND)));
}

#[test]
fn a_file_can_say_that_the_clock_is_set() {
    let dir = tempfile::tempdir().expect("a directory");
    let set_file = dir.path().join("synchronized");
    let settings = ClockSettings { set_file: Some(set_file.clone()), ..ClockSettings::default() };
    let machine = Machine::booted(1, TODAY);
    let clock = machine.open_with(dir.path(), settings);
    let arrived = stamped(&clock, TODAY);
    machine.pass(86_400);
    assert_eq!(clock.resolve(arrived), None);
    std::fs::write(set_file, "").expect("a file");
    assert_eq!(clock.resolve(arrived), Some(TimestampMicros(TODAY)));
}

#[test]
fn boots_beyond_the_memory_still_resolve() {
    let dir = tempfile::tempdir().expect("a directory");
    let oldest = stamped(&Machine::booted(0, SECOND).open(dir.path()), SECOND);
    let mut boots = Boots::default();
    boots.latest = TimestampMicros(TODAY);
    for n in 0..2000_u16 {
        boots.begin([n.to_le_bytes()[0], n.to_le_bytes()[1], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    }
    let (mut file, _) = StateFile::<Boots>::open(&dir.path().join("clock")).expect("a file");
    file.write(&boots).expect("it fits");
    let clock = Machine::booted(7, TODAY).open(dir.path());
    assert_eq!(clock.resolve(oldest), Some(TimestampMicros(TODAY + 5 * SECOND)));
}
