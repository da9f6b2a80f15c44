//! Numbers as scaled integers: 21.37 becomes 2137 at scale 2, wherever that loses not one bit.
//!
//! Sensors report decimals; as integers their differences are small and compress to a byte. A value qualifies at
//! scale s when `round(v · 10^s) / 10^s` has the very bits of v. Both operands of that division are exact in f64
//! (|integer| < 2^53, 10^s ≤ 10^9), so IEEE 754 division gives the same bits on every machine.

/// The largest scale that is tried: nine decimal places.
pub(super) const MAX_SCALE: u8 = 9;
/// Marks a series whose numbers are kept as raw bits.
pub(super) const RAW: u8 = u8::MAX;

const POWERS: [f64; MAX_SCALE as usize + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const EXACT_LIMIT: f64 = 9_007_199_254_740_992.0;

/// Returns the integer that stands for `value` at `scale`, when it does so exactly.
pub(super) fn scaled(value: f64, scale: u8) -> Option<i64> {
    let power = POWERS[usize::from(scale)];
    let rounded = (value * power).round();
    if rounded.abs() >= EXACT_LIMIT {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked against 2^53; NaN fails the comparison below"
    )]
    let integer = rounded as i64;
    (unscaled(integer, scale).to_bits() == value.to_bits()).then_some(integer)
}

/// Returns the number that `integer` stands for at `scale`; scales above [`MAX_SCALE`] count as it.
pub(super) fn unscaled(integer: i64, scale: u8) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the encoder keeps integers below 2^53")]
    let number = integer as f64;
    number / POWERS[usize::from(scale.min(MAX_SCALE))]
}

/// Returns the smallest scale from `at_least` on at which `value` is exact.
pub(super) fn smallest_scale(value: f64, at_least: u8) -> Option<u8> {
    (at_least..=MAX_SCALE).find(|&scale| scaled(value, scale).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_decimals_need_scale_two() {
        assert_eq!(smallest_scale(21.37, 0), Some(2));
        assert_eq!(scaled(21.37, 2), Some(2137));
        assert_eq!(unscaled(2137, 2).to_bits(), 21.37_f64.to_bits());
    }

    #[test]
    fn what_a_decimal_cannot_hold_is_left_raw() {
        for value in [f64::NAN, f64::INFINITY, -0.0, 1e300, f64::MIN_POSITIVE, std::f64::consts::PI] {
            assert_eq!(smallest_scale(value, 0), None, "{value}");
        }
    }
}
