//! How much memory a parser takes for one input, counted by the allocator.
//!
//! A vector that grows counts with its old and its new bytes together, which is the most that it can take.

use std::sync::atomic::{AtomicUsize, Ordering};

use peak_alloc::PeakAlloc;

/// More than this for one input is a fault, whatever the input.
pub const MOST_BYTES: usize = 16 << 20;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Runs a parser, and says what it took at most beyond what was there before.
///
/// # Panics
/// When that is above [`MOST_BYTES`].
pub fn bounded<T>(parse: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let parsed = parse();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    PEAK.fetch_max(taken, Ordering::Relaxed);
    assert!(taken <= MOST_BYTES, "{taken} bytes were taken for one input, at most {MOST_BYTES} may be");
    parsed
}

/// Returns the most that any parser took for one input since the program started.
#[must_use]
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}
