//! A moment as the uptime of a numbered boot, written where no wall time can be: far below 1970.

use std::time::Duration;

use penstock_shared::reading::TimestampMicros;

/// Uptimes reach over ±4.4 years: what a device measured before the boot lies before 0.
const UPTIME_BITS: u32 = 48;
const LONGEST: i64 = (1 << (UPTIME_BITS - 1)) - 1;
/// The middle of boot 0. With 13 bits of boots, the last stamp lies below −2^61: no clock says that.
const FIRST_BOOT: i64 = -(1 << 62) + (1 << (UPTIME_BITS - 1));
/// Boots are numbered below this, then from 0 again.
pub(super) const BOOT_NUMBERS: u16 = 1 << 13;

/// A moment of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uptime {
    pub(super) boot: u16,
    pub(super) micros: i64,
}

impl Uptime {
    pub(super) fn to_stamp(self) -> TimestampMicros {
        let boot = i64::from(self.boot % BOOT_NUMBERS) << UPTIME_BITS;
        TimestampMicros(FIRST_BOOT + boot + self.micros.clamp(-LONGEST, LONGEST))
    }

    /// None is a wall time.
    pub(super) fn from_stamp(stamp: TimestampMicros) -> Option<Self> {
        let behind = stamp.0.checked_sub(FIRST_BOOT - (1 << (UPTIME_BITS - 1)))?;
        let boot = u16::try_from(behind >> UPTIME_BITS).ok().filter(|boot| *boot < BOOT_NUMBERS)?;
        let micros = (behind & ((1 << UPTIME_BITS) - 1)) - (1 << (UPTIME_BITS - 1));
        Some(Self { boot, micros })
    }
}

/// Tells whether a time is a stamp, which only the clock resolves.
#[must_use]
pub fn is_stamp(time: TimestampMicros) -> bool {
    Uptime::from_stamp(time).is_some()
}

/// Returns the time that lies `micros` after another, or before it; a stamp stays one of the same boot.
#[must_use]
pub fn shift(time: TimestampMicros, micros: i64) -> TimestampMicros {
    match Uptime::from_stamp(time) {
        Some(uptime) => Uptime { micros: uptime.micros.saturating_add(micros), ..uptime }.to_stamp(),
        None => TimestampMicros(time.0.saturating_add(micros)),
    }
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_and_no_storable_time_is_one() {
        for boot in [0, 1, BOOT_NUMBERS - 1] {
            for micros in [0, 1, -1, LONGEST, -LONGEST] {
                let uptime = Uptime { boot, micros };
                assert_eq!(Uptime::from_stamp(uptime.to_stamp()), Some(uptime));
                assert!(!uptime.to_stamp().is_storable());
            }
        }
        for wall in
            [TimestampMicros::MIN, TimestampMicros::MAX, TimestampMicros(-1), TimestampMicros(i64::MIN)]
        {
            assert_eq!(Uptime::from_stamp(wall), None);
        }
    }

    #[test]
    fn a_shifted_stamp_stays_in_its_boot() {
        let stamp = Uptime { boot: 7, micros: 5 }.to_stamp();
        assert_eq!(Uptime::from_stamp(shift(stamp, -10)), Some(Uptime { boot: 7, micros: -5 }));
        assert_eq!(Uptime::from_stamp(shift(stamp, i64::MIN)), Some(Uptime { boot: 7, micros: -LONGEST }));
        assert_eq!(shift(TimestampMicros(5), -10), TimestampMicros(-5));
    }
}
