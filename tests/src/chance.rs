//! Random moments that can be repeated: every test draws from a printed seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A source of random moments.
#[derive(Debug)]
pub struct Chance(StdRng);

impl Chance {
    /// Seeds from `PENSTOCK_SEED`, else from the operating system, and prints the seed.
    #[must_use]
    pub fn seeded() -> Self {
        let seed = std::env::var("PENSTOCK_SEED").ok().and_then(|text| text.parse().ok());
        let seed: u64 = seed.unwrap_or_else(rand::random);
        println!("seed: PENSTOCK_SEED={seed}");
        Self(StdRng::seed_from_u64(seed))
    }

    /// Draws a span between two, in whole milliseconds.
    pub fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.0.random_range(range))
    }

    /// Draws a number.
    pub fn number(&mut self, range: std::ops::Range<usize>) -> usize {
        self.0.random_range(range)
    }
}

/// Tells whether the long forms of the tests were asked for (`tests/run --soak`).
#[must_use]
pub fn soaking() -> bool {
    std::env::var_os("PENSTOCK_SOAK").is_some()
}

/// Returns how often a kill is repeated: `PENSTOCK_ROUNDS`, else 30 when soaking, else `usual`.
#[must_use]
pub fn rounds(usual: usize) -> usize {
    let asked = std::env::var("PENSTOCK_ROUNDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if soaking() { 30 } else { usual })
}
