//! Which of the entries found belong together. Pure.
//!
//! Every entry tells C, the readings committed up to and with it, so one that does not fit its neighbours is what an
//! attempt left that was never acknowledged, and whose number was used again. Of entries that exclude each other the
//! longer run stays.

use std::ops::RangeInclusive;

use super::pieces::Found;

/// Entries that follow from each other, in the order of their numbers.
type Run = Vec<Found>;

/// Returns entries with numbers within `numbers`, each number once, C never falling.
pub(super) fn choose(mut found: Vec<Found>, numbers: &RangeInclusive<u64>) -> Vec<Found> {
    found.retain(|entry| numbers.contains(&entry.number));
    // The last one written comes first.
    found.sort_by_key(|entry| (entry.number, std::cmp::Reverse(entry.sequence)));
    let mut runs: Vec<Run> = Vec::new();
    for same in found.chunk_by(|a, b| a.number == b.number) {
        let last = runs.last().and_then(|run| run.last());
        let fitting = same.iter().find(|entry| last.is_some_and(|last| follows(last, entry)));
        let chosen = fitting.unwrap_or(&same[0]).clone();
        match runs.last_mut() {
            Some(run) if fitting.is_some() => run.push(chosen),
            _ => runs.push(vec![chosen]),
        }
    }
    let mut kept: Vec<Run> = Vec::new();
    for run in runs {
        place(&mut kept, run);
    }
    kept.into_iter().flatten().collect()
}

/// Puts a run behind the ones kept that leave it room. Those that do not go, where they hold less together; else it does.
fn place(kept: &mut Vec<Run>, run: Run) {
    let Some(first) = run.first() else { return };
    let leaves_room = |before: &Run| before.last().is_none_or(|last| follows(last, first));
    let staying = kept.iter().rposition(leaves_room).map_or(0, |place| place + 1);
    let in_the_way: usize = kept[staying..].iter().map(Vec::len).sum();
    if in_the_way < run.len() {
        kept.truncate(staying);
        kept.push(run);
    }
}

/// Tells whether an entry can come after another: right after it, C grows by its own readings.
fn follows(before: &Found, entry: &Found) -> bool {
    let Some(base) = entry.readings_through.checked_sub(entry.readings) else { return false };
    if before.number + 1 == entry.number {
        base == before.readings_through
    } else {
        base >= before.readings_through
    }
}
