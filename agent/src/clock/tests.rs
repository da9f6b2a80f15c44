//! A gateway without a battery-backed clock, through boots, restarts and lost networks.

use std::sync::Arc;

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
        Clock::over(Some(dir), settings, source)
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

#[test]
fn with_a_set_clock_now_is_the_wall_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Machine::booted(1, TODAY).open(dir.path());
    assert!(clock.is_set());
    assert_eq!(clock.now(), TimestampMicros(TODAY));
    for time in [TODAY, 0, -1, 5 * SECOND] {
        assert_eq!(clock.resolve(TimestampMicros(time)), Some(TimestampMicros(time)));
    }
}

#[test]
fn what_arrives_before_the_clock_is_set_is_stamped_once_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let machine = Machine::booted(1, 20 * SECOND);
    let clock = machine.open(dir.path());
    assert!(!clock.is_set());
    let arrived = clock.now();
    assert_eq!(clock.resolve(arrived), None);
    machine.pass(40);
    let later = clock.now();
    machine.set(TODAY + 40 * SECOND);
    assert!(clock.is_set());
    assert_eq!(clock.resolve(arrived), Some(TimestampMicros(TODAY)));
    assert_eq!(clock.resolve(shift(arrived, -60 * SECOND)), Some(TimestampMicros(TODAY - 60 * SECOND)));
    assert_eq!(clock.resolve(later), Some(TimestampMicros(TODAY + 40 * SECOND)));
    assert_eq!(clock.now(), TimestampMicros(TODAY + 40 * SECOND));
}

#[test]
fn an_agent_that_starts_again_in_the_same_boot_knows_its_offset() {
    let dir = tempfile::tempdir().expect("a directory");
    let machine = Machine::booted(1, 20 * SECOND);
    let arrived = machine.open(dir.path()).now();
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
    let arrived = clock.now();
    first.set(TODAY);
    assert!(clock.is_set());
    drop(clock);
    // The next boot's clock is not set yet, and what arrived in the first can go all the same.
    let second = Machine::booted(2, 7 * SECOND);
    let clock = second.open(dir.path());
    assert_eq!(clock.resolve(arrived), Some(TimestampMicros(TODAY)));
    assert_eq!(clock.resolve(clock.now()), None);
}

#[test]
fn a_boot_that_ended_before_its_clock_was_set_is_placed_behind_what_was_known() {
    let dir = tempfile::tempdir().expect("a directory");
    let before = Machine::booted(1, TODAY);
    assert!(before.open(dir.path()).is_set());
    let without = Machine::booted(2, 20 * SECOND);
    let clock = without.open(dir.path());
    let arrived = clock.now();
    without.pass(30);
    let later = clock.now();
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
    let arrived = clock.now();
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
    let arrived = clock.now();
    machine.pass(3000);
    assert_eq!(clock.resolve(arrived), None);
    std::fs::write(set_file, "").expect("a file");
    assert_eq!(clock.resolve(arrived), Some(TimestampMicros(TODAY)));
}

#[test]
fn nothing_is_held_for_ever_but_by_a_clock_older_than_this_program() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = ClockSettings { set_file: Some("/nonexistent/file".into()), ..ClockSettings::default() };
    let machine = Machine::booted(1, TODAY);
    let clock = machine.open_with(dir.path(), settings);
    assert!(!clock.is_set());
    machine.pass(3600);
    assert!(clock.is_set());
    let other = tempfile::tempdir().expect("a directory");
    let without = Machine::booted(2, 5 * SECOND);
    let clock = without.open(other.path());
    without.pass(86_400);
    assert!(!clock.is_set());
}

#[test]
fn a_gateway_that_never_knew_the_time_has_its_boots_end_where_it_was_known_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut arrived = Vec::new();
    for boot in [1, 2] {
        let machine = Machine::booted(boot, 5 * SECOND);
        let clock = machine.open(dir.path());
        arrived.push(clock.now());
        machine.pass(1000);
        clock.tick().expect("a disk");
    }
    let clock = Machine::booted(3, TODAY).open(dir.path());
    let times = arrived.into_iter().filter_map(|stamp| clock.resolve(stamp)).map(|time| time.0);
    let times: Vec<_> = times.collect();
    let day_before = TODAY - 86_400 * SECOND;
    assert!(day_before < times[0] && times[0] < times[1] && times[1] < TODAY, "{times:?}");
}

#[test]
fn without_a_disk_nothing_may_rely_on_a_stamp() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = dir.path().join("missing");
    let clock = Machine::booted(1, 5 * SECOND).open(&missing);
    assert!(clock.tick().is_err());
    std::fs::create_dir(&missing).expect("a directory");
    assert!(clock.tick().is_ok());
    assert!(Machine::booted(1, 5 * SECOND).open(&missing).resolve(clock.now()).is_none());
}

#[test]
fn boots_beyond_the_memory_still_resolve() {
    let dir = tempfile::tempdir().expect("a directory");
    let oldest = Machine::booted(0, SECOND).open(dir.path()).now();
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
