//! Keeps each agent's commits in order: what follows what the hub has, what repeats it, what leaves a gap.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use penstock_shared::batch::BatchHeader;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};

/// Epochs remembered at once. It is only a cache: what is forgotten is read from the database.
const MAX_REMEMBERED: usize = 50_000;

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It follows: insert it.
    Insert,
    /// All of it, or its beginning, is there already.
    Have { have_through: CommitNumber },
    /// Commits before it are missing.
    Gap { have_through: CommitNumber },
}

/// Decides by the frame's header and by how far the hub has come.
pub(super) fn step(header: &BatchHeader, have_through: CommitNumber) -> Step {
    if header.first <= have_through {
        Step::Have { have_through }
    } else if header.follows() > have_through {
        Step::Gap { have_through }
    } else {
        Step::Insert
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<CommitNumber>>>;

/// How far each epoch has come, each behind its own lock.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    slots: Mutex<HashMap<(AgentId, Epoch), Slot>>,
}

impl Arrivals {
    /// Returns the lock of one epoch. `None` inside means: not known, ask the database.
    pub(super) fn slot(&self, agent: &AgentId, epoch: Epoch) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_REMEMBERED {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry((agent.clone(), epoch)).or_default())
    }
}

#[cfg(test)]
mod tests {
    use penstock_shared::batch::{Gap, GapReason};
    use penstock_shared::reading::TimestampMicros;

    use super::*;

    fn header(first: u64, last: u64, gap: Option<(u64, u64)>) -> BatchHeader {
        let declared = |(first, last)| Gap {
            first: CommitNumber(first),
            last: CommitNumber(last),
            readings: 1,
            reason: GapReason::Evicted,
        };
        BatchHeader {
            agent: AgentId::new("gw1").expect("valid"),
            epoch: Epoch(1),
            first: CommitNumber(first),
            last: CommitNumber(last),
            gaps: gap.map(declared).into_iter().collect(),
            readings: 0,
            received_at: TimestampMicros(0),
        }
    }

    #[test]
    fn a_frame_is_inserted_only_when_it_follows_or_declares_what_is_missing() {
        let have = CommitNumber(10);
        assert_eq!(step(&header(11, 12, None), have), Step::Insert);
        assert_eq!(step(&header(15, 16, Some((11, 14))), have), Step::Insert);
        assert_eq!(step(&header(15, 16, Some((8, 14))), have), Step::Insert);
        assert_eq!(step(&header(12, 13, None), have), Step::Gap { have_through: have });
        assert_eq!(step(&header(15, 16, Some((12, 14))), have), Step::Gap { have_through: have });
    }

    #[test]
    fn a_repeated_or_overlapping_frame_is_told_how_far_the_hub_is() {
        let have = CommitNumber(10);
        assert_eq!(step(&header(3, 10, None), have), Step::Have { have_through: have });
        assert_eq!(step(&header(10, 20, None), have), Step::Have { have_through: have });
    }
}
