//! Where the time comes from: the kernel, or a test.

use std::sync::Arc;
use std::time::Duration;

use penstock_shared::reading::TimestampMicros;
use rustix::time::{ClockId, clock_gettime};

use super::boots::BootId;

const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// The present, twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// What the clock says, right or wrong.
    pub(super) wall: TimestampMicros,
    /// Since the boot, sleep included; nobody sets it.
    pub(super) uptime: Duration,
}

/// Tells the present and which boot this is.
#[derive(Clone)]
pub(super) struct TimeSource {
    boot_id: BootId,
    now: Arc<dyn Fn() -> Moment + Send + Sync>,
    wall: Arc<dyn Fn() -> TimestampMicros + Send + Sync>,
}

impl std::fmt::Debug for TimeSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimeSource").field("boot_id", &self.boot_id).finish_non_exhaustive()
    }
}

impl TimeSource {
    /// Without a boot id, which Linux always tells, boots cannot be told apart.
    pub(super) fn of_this_machine() -> Self {
        let text = std::fs::read_to_string(BOOT_ID_FILE);
        let boot_id = text.ok().and_then(|text| parse_boot_id(&text)).unwrap_or_default();
        Self { boot_id, now: Arc::new(kernel_now), wall: Arc::new(TimestampMicros::now) }
    }

    #[cfg(test)]
    pub(super) fn of(boot_id: BootId, now: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        let now = Arc::new(now);
        let same = Arc::clone(&now);
        Self { boot_id, now, wall: Arc::new(move || same().wall) }
    }

    pub(super) const fn boot_id(&self) -> &BootId {
        &self.boot_id
    }

    pub(super) fn now(&self) -> Moment {
        (self.now)()
    }

    /// As [`Self::now`], the wall clock alone: every message asks for it.
    pub(super) fn wall(&self) -> TimestampMicros {
        (self.wall)()
    }
}

fn kernel_now() -> Moment {
    let uptime = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(uptime.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(uptime.tv_nsec).unwrap_or_default();
    Moment { wall: TimestampMicros::now(), uptime: Duration::new(seconds, nanos) }
}

/// Reads a UUID.
fn parse_boot_id(text: &str) -> Option<BootId> {
    let digits: String = text.trim().chars().filter(|character| *character != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    (digits.len() == 32).then(|| number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells_its_boot_and_an_uptime_that_grows() {
        let source = TimeSource::of_this_machine();
        assert_ne!(source.boot_id(), &[0; 16]);
        let (first, second) = (source.now(), source.now());
        assert!(Duration::ZERO < first.uptime && first.uptime <= second.uptime);
    }

    #[test]
    fn a_boot_id_is_a_uuid() {
        let id = parse_boot_id("00112233-4455-6677-8899-aabbccddeeff\n").expect("a boot id");
        assert_eq!((id[0], id[1], id[15]), (0x00, 0x11, 0xff));
        assert_eq!(parse_boot_id("0011"), None);
        assert_eq!(parse_boot_id("not a boot id"), None);
    }
}
