//! What is remembered of boots whose clock was not set at first.

use penstock_shared::reading::TimestampMicros;
use serde::{Deserialize, Serialize};

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
    /// When it began: as the clock told once it was set, before that the newest time then known.
    began: TimestampMicros,
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
        self.boots.push(Boot { number, id, began: self.latest });
        number
    }

    /// Notes when a boot began.
    pub(super) fn note_begin(&mut self, number: u16, began: TimestampMicros) {
        for boot in self.boots.iter_mut().filter(|boot| boot.number == number) {
            boot.began = began;
        }
    }

    /// Returns when a boot began, as well as that is known.
    pub(super) fn begin_of(&self, number: u16) -> TimestampMicros {
        let known = self.boots.iter().find(|boot| boot.number == number).or(self.boots.first());
        known.map_or(self.latest, |boot| boot.began)
    }
}
