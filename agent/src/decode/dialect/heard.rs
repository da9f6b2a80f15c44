//! A message as dialects look at it.

use penstock_shared::reading::TimestampMicros;
use serde_json::{Map, Value as Json};

use crate::config::TimeUnit;
use crate::decode::reason::Undecodable;
use crate::decode::{json, time};

/// 2010-01-01: a device whose clock says less has not been told the time yet, so that its message's arrival says more.
const FIRST_SET_CLOCK: TimestampMicros = TimestampMicros(1_262_304_000_000_000);

/// One message.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct Heard<'a> {
    pub(in crate::decode) topic: &'a str,
    pub(in crate::decode) payload: &'a [u8],
    pub(in crate::decode) arrived_at: TimestampMicros,
}

impl Heard<'_> {
    /// Returns the first byte that is not white space.
    pub(super) fn first_byte(&self) -> Option<u8> {
        self.payload.iter().copied().find(|byte| !byte.is_ascii_whitespace())
    }

    /// Parses the payload where it begins as an object.
    pub(super) fn object(&self) -> Option<Result<Map<String, Json>, Undecodable>> {
        let begins = self.first_byte() == Some(b'{');
        begins.then(|| json::parse(self.payload))
    }
}

/// Reads a device's time; none where it cannot be read or its clock was not set, and the arrival holds.
pub(super) fn clock_time(json: &Json, unit: TimeUnit) -> Option<TimestampMicros> {
    time::device_time(json, unit).ok().filter(|time| *time >= FIRST_SET_CLOCK)
}
