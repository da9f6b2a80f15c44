//! A quantile sketch with logarithmic bins: mergeable, small, within 1 % of the true value.
//!
//! After DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
//! guarantees", VLDB 2019). With relative error α and γ = (1 + α) / (1 − α), a positive number v falls into bin
//! ⌈log_γ v⌉, and the bin's representative 2γ^i / (γ + 1) is within α of every number in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// α: no quantile is further from the true value than this share of it.
pub const RELATIVE_ERROR: f64 = 0.01;
/// Bins kept on each side of zero. 2,048 bins of 1 % span 17 decades; beyond, the smallest magnitudes share one bin.
const MAX_BINS: usize = 2_048;
/// Magnitudes below this count as zero.
const SMALLEST: f64 = 1e-12;
const VERSION: u8 = 1;

/// The distribution of the numbers of one bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    zeros: u64,
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
}

/// Says that bytes are no sketch of a known version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a quantile sketch: {0}")]
pub struct InvalidSketch(String);

impl Sketch {
    /// Counts one finite number.
    pub fn add(&mut self, number: f64) {
        if number.abs() < SMALLEST {
            self.zeros += 1;
            return;
        }
        let bins = if number > 0.0 { &mut self.positive } else { &mut self.negative };
        *bins.entry(bin_of(number.abs())).or_insert(0) += 1;
        collapse(bins);
    }

    /// Adds all that another sketch counted.
    pub fn merge(&mut self, other: &Self) {
        self.zeros += other.zeros;
        for (mine, theirs) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            for (&bin, &count) in theirs {
                *mine.entry(bin).or_insert(0) += count;
            }
            collapse(mine);
        }
    }

    /// Returns the `q`-quantile (0 to 1) of the numbers, or none when there are none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.zeros + self.positive.values().sum::<u64>() + self.negative.values().sum::<u64>();
        let last = total.checked_sub(1)?;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts stay below 2^53 and q is clamped"
        )]
        let rank = (q.clamp(0.0, 1.0) * last as f64).round() as u64;
        let ascending = self.negative.iter().rev().map(|(&bin, &count)| (-representative(bin), count));
        let zeros = std::iter::once((0.0, self.zeros));
        let positive = self.positive.iter().map(|(&bin, &count)| (representative(bin), count));
        let mut passed = 0;
        for (value, count) in ascending.chain(zeros).chain(positive) {
            passed += count;
            if passed > rank {
                return Some(value);
            }
        }
        None
    }

    /// Writes the sketch as bytes: a version, then postcard.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_allocvec(self).expect("maps of integers always serialise"));
        bytes
    }

    /// Reads back what [`Sketch::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the version is unknown or the bytes are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSketch> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => {
                postcard::from_bytes(rest).map_err(|error| InvalidSketch(error.to_string()))
            }
            Some((version, _)) => Err(InvalidSketch(format!("unknown version {version}"))),
            None => Err(InvalidSketch("no bytes".into())),
        }
    }
}

fn ln_gamma() -> f64 {
    ((1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)).ln()
}

#[expect(clippy::cast_possible_truncation, reason = "the logarithm of an f64 is within ±36,000 bins")]
fn bin_of(magnitude: f64) -> i32 {
    (magnitude.ln() / ln_gamma()).ceil() as i32
}

fn representative(bin: i32) -> f64 {
    let gamma = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);
    2.0 * (f64::from(bin) * ln_gamma()).exp() / (gamma + 1.0)
}

fn collapse(bins: &mut BTreeMap<i32, u64>) {
    while bins.len() > MAX_BINS {
        if let Some((_, count)) = bins.pop_first()
            && let Some(mut lowest) = bins.first_entry()
        {
            *lowest.get_mut() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_quantile_is_within_one_percent(
            mut numbers in prop::collection::vec(prop_oneof![-1e5..1e5, Just(0.0)], 1..300), q in 0.0..=1.0_f64,
        ) {
            let mut sketch = Sketch::default();
            numbers.iter().for_each(|&number| sketch.add(number));
            numbers.sort_by(f64::total_cmp);
            let truth = numbers[(q * (numbers.len() - 1) as f64).round() as usize];
            let estimate = sketch.quantile(q).expect("not empty");
            prop_assert!((estimate - truth).abs() <= RELATIVE_ERROR * truth.abs() + 1e-9, "{} for {}", estimate, truth);
            prop_assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Ok(sketch));
        }
    }

    #[test]
    fn the_number_of_bins_is_bounded_and_no_count_is_lost() {
        let mut sketch = Sketch::default();
        for exponent in 0..6_000 {
            sketch.add(1e-10 * 1.01_f64.powi(exponent));
        }
        assert!(sketch.positive.len() <= MAX_BINS);
        assert_eq!(sketch.positive.values().sum::<u64>(), 6_000);
    }

    #[test]
    fn an_unknown_version_is_refused() {
        assert!(Sketch::from_bytes(&[9, 0, 0, 0]).is_err());
        assert!(Sketch::from_bytes(&[]).is_err());
    }
}
