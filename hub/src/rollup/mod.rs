//! What a bucket knows of its numbers, and how buckets are named. Pure: no clock, no database.
//!
//! Everything merges: a longer bucket is the sum of shorter ones, the whole is the sum of its partitions.

mod key;
mod sketch;

pub use key::{InvalidKey, Partition, RollupKey};
pub use sketch::{InvalidSketch, RELATIVE_ERROR, Sketch};

use penstock_shared::metrics::Figures;
use penstock_shared::reading::TimestampMicros;

/// Count, sum, extremes and distribution of the numbers in one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollup {
    /// How many numbers.
    pub count: u64,
    /// Their sum.
    pub total: f64,
    /// The smallest; +∞ in an empty rollup.
    pub min: f64,
    /// The largest; −∞ in an empty rollup.
    pub max: f64,
    /// The time of the newest.
    pub newest: TimestampMicros,
    /// Their distribution.
    pub sketch: Sketch,
}

impl Default for Rollup {
    fn default() -> Self {
        Self {
            count: 0,
            total: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            newest: TimestampMicros(i64::MIN),
            sketch: Sketch::default(),
        }
    }
}

impl Rollup {
    /// Counts one number. NaN and infinities are not counted: they would poison every sum that they enter.
    pub fn add(&mut self, time: TimestampMicros, number: f64) {
        if !number.is_finite() {
            return;
        }
        self.count += 1;
        self.total += number;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.newest = self.newest.max(time);
        self.sketch.add(number);
    }

    /// Adds all that another rollup counted.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.total += other.total;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.newest = self.newest.max(other.newest);
        self.sketch.merge(&other.sketch);
    }

    /// Tells whether nothing was counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the figures as the API gives them; zeros in an empty rollup.
    #[must_use]
    pub fn figures(&self) -> Figures {
        if self.is_empty() {
            return Figures {
                count: 0,
                total: 0.0,
                average: 0.0,
                min: 0.0,
                max: 0.0,
                p50: 0.0,
                p95: 0.0,
                p99: 0.0,
                newest: 0,
            };
        }
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let average = self.total / self.count as f64;
        let quantile = |q| self.sketch.quantile(q).unwrap_or(average).clamp(self.min, self.max);
        Figures {
            count: self.count,
            total: self.total,
            average,
            min: self.min,
            max: self.max,
            p50: quantile(0.50),
            p95: quantile(0.95),
            p99: quantile(0.99),
            newest: self.newest.millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rollup_of(numbers: &[f64]) -> Rollup {
        let mut rollup = Rollup::default();
        for (index, &number) in numbers.iter().enumerate() {
            rollup.add(TimestampMicros(index as i64), number);
        }
        rollup
    }

    #[test]
    fn what_is_not_finite_is_not_counted() {
        let rollup = rollup_of(&[1.0, f64::NAN, f64::INFINITY, 3.0]);
        assert_eq!((rollup.count, rollup.total, rollup.min, rollup.max), (2, 4.0, 1.0, 3.0));
    }

    proptest! {
        #[test]
        fn the_sum_of_the_parts_is_the_whole(
            left in prop::collection::vec(-1e6..1e6, 0..50), right in prop::collection::vec(-1e6..1e6, 0..50),
        ) {
            let mut merged = rollup_of(&left);
            merged.merge(&rollup_of(&right));
            let whole = rollup_of(&[left, right].concat());
            prop_assert_eq!(merged.count, whole.count);
            prop_assert!((merged.total - whole.total).abs() <= 1e-6 * whole.total.abs().max(1.0));
            prop_assert_eq!((merged.min, merged.max), (whole.min, whole.max));
            prop_assert_eq!(merged.sketch, whole.sketch);
        }
    }
}
