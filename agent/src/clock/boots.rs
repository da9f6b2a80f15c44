//! What is remembered of boots whose clock was not set at first.

use penstock_shared::reading::TimestampMicros;
use serde::{Deserialize, Serialize};

use super::EARLIEST;
use super::uptime::BOOT_NUMBERS;

/// More boots than this in a row without a set clock make the oldest be forgotten; theirs is then the time of the next
/// older one.
const MAX_BOOTS: usize = 1000;

/// The kernel's random name of a boot.
pub(super) type BootId = [u8; 16];

/// What the clock's file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Boots {
    /// The newest wall time that was ever known to be right.
    pub(super) latest: TimestampMicros,
    next: u16,
    /// Oldest first.
    boots: Vec<Boot>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    number: u16,
    id: BootId,
    /// When it began: as the clock told once it was set, before that no earlier than the boot before it ended.
    began: TimestampMicros,
    /// The longest uptime noted while its clock was not set, in microseconds.
    lasted: i64,
}

impl Boots {
    pub(super) fn number_of(&self, id: &BootId) -> Option<u16> {
        self.boots.iter().find(|boot| boot.id == *id).map(|boot| boot.number)
    }

    /// Takes a boot up, and returns its number.
    pub(super) fn begin(&mut self, id: BootId) -> u16 {
        let number = self.next;
        self.next = (number + 1) % BOOT_NUMBERS;
        if self.boots.len() >= MAX_BOOTS {
            self.boots.remove(0);
        }
        let end_of_last = self.boots.last().map_or(0, |boot| boot.began.0.saturating_add(boot.lasted));
        self.boots.push(Boot { number, id, began: self.latest.max(TimestampMicros(end_of_last)), lasted: 0 });
        number
    }

    /// Notes when a boot began.
    pub(super) fn note_begin(&mut self, number: u16, began: TimestampMicros) {
        for boot in self.boots.iter_mut().filter(|boot| boot.number == number) {
            boot.began = began;
        }
    }

    /// Notes how long a boot has lasted.
    pub(super) fn note_uptime(&mut self, number: u16, micros: i64) {
        for boot in self.boots.iter_mut().filter(|boot| boot.number == number) {
            boot.lasted = micros;
        }
    }

    /// Returns when a boot began, as well as that is known. A gateway that never knew the time before has its boots end
    /// where the time was known first.
    pub(super) fn begin_of(&self, number: u16) -> TimestampMicros {
        let place = self.boots.iter().position(|boot| boot.number == number).unwrap_or(0);
        let Some(boot) = self.boots.get(place) else { return self.latest };
        if boot.began >= EARLIEST {
            return boot.began;
        }
        let known = self.boots[place..].iter().position(|boot| boot.began >= EARLIEST);
        let (until, first_known) = match known {
            Some(behind) => (place + behind, self.boots[place + behind].began),
            None => (self.boots.len(), self.latest),
        };
        let between: i64 = self.boots[place..until].iter().map(|boot| boot.lasted).sum();
        TimestampMicros(first_known.0.saturating_sub(between))
    }
}
