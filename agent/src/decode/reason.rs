//! Why a message, or a part of it, could not become a reading.

use std::borrow::Cow;

/// A constant word for counting; the dead letter's detail has the particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Mappings are configured and none matches.
    UnmappedTopic,
    /// The payload has no bytes but white space.
    EmptyPayload,
    /// The payload is above the decoder's limit.
    PayloadTooLarge,
    /// A frame's or a sentence's checksum does not hold.
    BadChecksum,
    /// A frame is packed wrongly, or another begins within it.
    BadFraming,
    /// A record does not have the shape that is configured.
    BadRecord,
    /// A word stands where a number or a boolean should.
    NotANumber,
    /// The payload is not UTF-8 text.
    NotUtf8,
    /// The payload begins like JSON but is none, is nested too deeply, or has a number beyond f64.
    BadJson,
    /// No value stands where the mapping looks for it.
    ValueMissing,
    /// Null, a list or an object stands where a value should.
    NotAValue,
    /// NaN or an infinity.
    NotFinite,
    /// The text is above the limit.
    TextTooLong,
    /// The message holds more values than are taken.
    TooManyValues,
    /// Type, source or a label is empty, too long or has a reserved character.
    InvalidSeries,
    /// The device's time cannot be read.
    BadTime,
    /// The time is outside 1970 to 2038.
    TimeOutOfRange,
    /// The line is none of InfluxDB's line protocol.
    BadLine,
    /// The pack or record is against RFC 8428.
    BadSenml,
    /// The payload is none of Sparkplug B.
    BadSparkplug,
    /// No birth said what the alias stands for.
    UnknownAlias,
    /// More entities or metrics announced themselves than are remembered.
    TooManyKnown,
}

impl Reason {
    /// Returns the word that stands in dead letters and counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnmappedTopic => "unmapped_topic",
            Self::EmptyPayload => "empty_payload",
            Self::PayloadTooLarge => "payload_too_large",
            Self::BadChecksum => "bad_checksum",
            Self::BadFraming => "bad_framing",
            Self::BadRecord => "bad_record",
            Self::NotANumber => "not_a_number",
            Self::NotUtf8 => "not_utf8",
            Self::BadJson => "bad_json",
            Self::ValueMissing => "value_missing",
            Self::NotAValue => "not_a_value",
            Self::NotFinite => "not_finite",
            Self::TextTooLong => "text_too_long",
            Self::TooManyValues => "too_many_values",
            Self::InvalidSeries => "invalid_series",
            Self::BadTime => "bad_time",
            Self::TimeOutOfRange => "time_out_of_range",
            Self::BadLine => "bad_line_protocol",
            Self::BadSenml => "bad_senml",
            Self::BadSparkplug => "bad_sparkplug",
            Self::UnknownAlias => "unknown_alias",
            Self::TooManyKnown => "too_many_known",
        }
    }
}

/// What devices send may stand in a detail; more of it is cut off.
const MAX_DETAIL_BYTES: usize = 400;

/// A reason with its particulars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undecodable {
    pub(super) reason: Reason,
    pub(super) detail: Cow<'static, str>,
}

impl Undecodable {
    pub(super) fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut detail = detail.into();
        if detail.len() > MAX_DETAIL_BYTES {
            detail = format!("{} …", start_of(&detail, MAX_DETAIL_BYTES)).into();
        }
        Self { reason, detail }
    }
}

/// Dead letters of one message: its payload is kept with each.
const MAX_FAULTS: usize = 10;

/// What is wrong with one message: so many faults one by one, and the number of the others.
#[derive(Debug, Default)]
pub(super) struct Faults {
    listed: Vec<Undecodable>,
    further: usize,
}

impl Faults {
    /// Notes a fault.
    pub(super) fn push(&mut self, fault: Undecodable) {
        if self.listed.len() < MAX_FAULTS {
            self.listed.push(fault);
        } else {
            self.further += 1;
        }
    }

    /// Takes over other faults.
    pub(super) fn extend(&mut self, others: Self) {
        others.listed.into_iter().for_each(|fault| self.push(fault));
        self.further += others.further;
    }

    /// Returns the faults; the last says how many further ones there are.
    pub(super) fn told(self) -> Vec<Undecodable> {
        let mut listed = self.listed;
        if let (Some(last), 1..) = (listed.last_mut(), self.further) {
            last.detail =
                format!("{} (and {} further faults of this message)", last.detail, self.further).into();
        }
        listed
    }
}

/// Returns as much of a text as fits into `bytes`.
pub(super) fn start_of(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_faults_some_are_listed_and_the_others_counted() {
        let mut faults = Faults::default();
        (0..1_000).for_each(|_| faults.push(Undecodable::new(Reason::NotAValue, "null is no value")));
        let told = faults.told();
        assert_eq!(told.len(), MAX_FAULTS);
        assert_eq!(told[9].detail, "null is no value (and 990 further faults of this message)");
    }

    #[test]
    fn a_detail_is_cut_between_characters() {
        let fault = Undecodable::new(Reason::BadJson, "ü".repeat(1_000));
        assert_eq!(fault.detail, format!("{} …", "ü".repeat(200)));
    }
}
