//! What holds of everything that a decoder answers.

use penstock_agent::decode::{Decoded, MAX_KEPT_PAYLOAD_BYTES};
use penstock_agent::delivery::DeadLetter;
use penstock_shared::reading::{MAX_TEXT_BYTES, Reading, TimestampMicros, Value};

/// When every message of every input arrives.
pub(crate) const NOW: TimestampMicros = TimestampMicros(1_800_000_000_000_000);

/// Readings of one message at most.
const MOST_READINGS: usize = 5_000;
/// Dead letters of one message at most: each keeps a part of its payload.
const MOST_DEAD_LETTERS: usize = 11;
/// What a dead letter says beside the payload that it keeps.
const MOST_WORDS_BYTES: usize = 1_024;

/// Checks that everything of one message can be stored, and that dead letters say why.
pub(crate) fn check(decoded: &Decoded) {
    assert!(decoded.dead_letters.len() <= MOST_DEAD_LETTERS, "{} dead letters", decoded.dead_letters.len());
    check_each(decoded);
}

/// As [`check`], where each value that cannot be stored has a dead letter of its own.
pub(crate) fn check_each(decoded: &Decoded) {
    assert!(decoded.readings.len() <= MOST_READINGS, "{} readings", decoded.readings.len());
    decoded.readings.iter().for_each(check_reading);
    decoded.dead_letters.iter().for_each(check_dead_letter);
}

/// Checks besides that the message was not passed over in silence.
pub(crate) fn check_told(decoded: &Decoded) {
    check(decoded);
    assert!(!decoded.is_empty(), "neither a reading nor a dead letter");
}

fn check_reading(reading: &Reading) {
    check_shipped(reading);
    let is_finite = !matches!(reading.value, Value::Number(number) if !number.is_finite());
    assert!(is_finite, "{:?} of {}", reading.value, reading.series);
}

/// Checks that a reading may enter the store. A frame carries any double: what is finite is seen to at the gateway.
pub(crate) fn check_shipped(reading: &Reading) {
    assert_eq!(reading.series.validate(), Ok(()));
    assert!(reading.time.is_storable(), "{:?} cannot be stored", reading.time);
    if let Value::Text(text) = &reading.value {
        assert!(text.len() <= MAX_TEXT_BYTES, "a text of {} bytes", text.len());
    }
}

fn check_dead_letter(letter: &DeadLetter) {
    assert!(!letter.reason.is_empty() && !letter.detail.is_empty(), "{letter:?}");
    assert!(letter.payload.len() <= MAX_KEPT_PAYLOAD_BYTES, "{} bytes kept", letter.payload.len());
    let words = letter.origin.len() + letter.detail.len();
    assert!(words <= MOST_WORDS_BYTES, "{words} bytes of words: {} …", letter.reason);
}
