//! A moment as the uptime of a numbered boot, written where no wall time can be: far below 1970.

use std::time::Duration;

use penstock_shared::reading::TimestampMicros;

/// Uptimes reach to almost nine years.
const UPTIME_BITS: u32 = 48;
/// The uptime 0 of boot 0. With 13 bits of boots, the last stamp lies at −2^61: no clock says that.
const FIRST_STAMP: i64 = -(1 << 62);
/// Boots are numbered below this, then from 0 again.
pub(super) const BOOT_NUMBERS: u16 = 1 << 13;

/// A moment of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uptime {
    pub(super) boot: u16,
    pub(super) since_boot: Duration,
}

impl Uptime {
    pub(super) fn to_stamp(self) -> TimestampMicros {
        let longest = (1_i64 << UPTIME_BITS) - 1;
        let micros = i64::try_from(self.since_boot.as_micros()).unwrap_or(longest).min(longest);
        TimestampMicros(FIRST_STAMP + (i64::from(self.boot % BOOT_NUMBERS) << UPTIME_BITS) + micros)
    }

    /// None is a wall time.
    pub(super) fn from_stamp(stamp: TimestampMicros) -> Option<Self> {
        let behind = u64::try_from(stamp.0.checked_sub(FIRST_STAMP)?).ok()?;
        let boot = u16::try_from(behind >> UPTIME_BITS).ok().filter(|boot| *boot < BOOT_NUMBERS)?;
        Some(Self { boot, since_boot: Duration::from_micros(behind & ((1 << UPTIME_BITS) - 1)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_and_no_storable_time_is_one() {
        for boot in [0, 1, BOOT_NUMBERS - 1] {
            for since_boot in [Duration::ZERO, Duration::from_micros((1 << UPTIME_BITS) - 1)] {
                let uptime = Uptime { boot, since_boot };
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
}
