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

/// A reason with its particulars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undecodable {
    pub(super) reason: Reason,
    pub(super) detail: Cow<'static, str>,
}

impl Undecodable {
    pub(super) fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
