//! The silence between the frames of a serial bus.

use std::time::Duration;

use crate::config::serial::PortSettings;

/// Frames are apart by the time of 3.5 characters of 11 bits, but on fast lines by no less than this (Modbus over
/// Serial Line 1.02, section 2.5.1.1).
const SHORTEST_GAP: Duration = Duration::from_micros(1750);

/// Returns the silence that divides frames on a line.
pub(super) fn frame_gap(settings: &PortSettings) -> Duration {
    let micros = 3_500_000 * 11 / u64::from(settings.baud.max(1));
    Duration::from_micros(micros).max(SHORTEST_GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_has_a_longer_silence_between_frames() {
        let gap = |baud| frame_gap(&PortSettings { baud, ..PortSettings::default() }).as_micros();
        assert_eq!((gap(9600), gap(115_200)), (4010, 1750));
    }
}
