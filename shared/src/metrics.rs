//! The vocabulary of rollups on the API: granularities and buckets with their figures.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::reading::TimestampMicros;

/// How long a rollup bucket is. Edges are UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s.
    Day,
}

impl Granularity {
    /// All three, shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Returns the bucket's length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// Returns the start of the bucket that holds `time`, in milliseconds since 1970.
    #[must_use]
    pub const fn bucket_start_millis(self, time: TimestampMicros) -> i64 {
        let millis = time.millis();
        millis - millis.rem_euclid(self.millis())
    }

    /// Returns the name that the API uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Says that a text names no granularity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("granularity is one of minute, hour, day; not {0:?}")]
pub struct UnknownGranularity(pub String);

impl FromStr for Granularity {
    type Err = UnknownGranularity;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|granularity| granularity.as_str() == text)
            .ok_or_else(|| UnknownGranularity(text.to_owned()))
    }
}

/// The figures of one bucket, as REST and WebSocket give them. Only numbers count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// How many numbers fell into the bucket.
    pub count: u64,
    /// Their sum.
    pub total: f64,
    /// `total / count`.
    pub average: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The median, within 1 % of the true value.
    pub p50: f64,
    /// The 95th percentile, within 1 %.
    pub p95: f64,
    /// The 99th percentile, within 1 %.
    pub p99: f64,
    /// The time of the newest reading in the bucket, in milliseconds since 1970.
    pub newest: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_start_at_utc_edges_also_before_1970() {
        assert_eq!(Granularity::Minute.bucket_start_millis(TimestampMicros(61_000_000)), 60_000);
        assert_eq!(Granularity::Day.bucket_start_millis(TimestampMicros(-1)), -86_400_000);
        assert_eq!("hour".parse(), Ok(Granularity::Hour));
    }
}
