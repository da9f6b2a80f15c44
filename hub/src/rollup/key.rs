//! Names a rollup bucket. Built and parsed here and nowhere else.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use penstock_shared::id::AgentId;
use penstock_shared::metrics::Granularity;

/// A share of the fleet whose rollups one lease holder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u16);

impl Partition {
    /// Returns the share that an agent belongs to. One share is all there is so far; keys already carry it.
    #[must_use]
    pub const fn of(_agent: &AgentId) -> Self {
        Self(0)
    }

    /// Returns all shares.
    #[must_use]
    pub const fn all() -> [Self; 1] {
        [Self(0)]
    }
}

/// Says which bucket: written `m|<start in ms, 14 digits>|<partition>|TYPE` or `…|TYPE@SOURCE`.
///
/// The bucket's start stands near the front so that new documents go to the end of the index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RollupKey {
    /// The bucket's length.
    pub granularity: Granularity,
    /// The bucket's start in milliseconds since 1970.
    pub bucket_millis: i64,
    /// Whose agents' readings it counts.
    pub partition: Partition,
    /// What is measured.
    pub event_type: String,
    /// One source, or all.
    pub source: Option<String>,
}

/// Says that a text names no rollup bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a rollup key: {0:?}")]
pub struct InvalidKey(pub String);

const fn letter_of(granularity: Granularity) -> char {
    match granularity {
        Granularity::Minute => 'm',
        Granularity::Hour => 'h',
        Granularity::Day => 'd',
    }
}

impl RollupKey {
    /// Returns the range of texts that holds all buckets of a granularity that start before a moment, and no others.
    #[must_use]
    pub fn ids_before(granularity: Granularity, millis: i64) -> Range<String> {
        let letter = letter_of(granularity);
        format!("{letter}|")..format!("{letter}|{millis:014}")
    }
}

impl fmt::Display for RollupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = letter_of(self.granularity);
        write!(f, "{letter}|{:014}|{}|{}", self.bucket_millis, self.partition.0, self.event_type)?;
        match &self.source {
            Some(source) => write!(f, "@{source}"),
            None => Ok(()),
        }
    }
}

impl FromStr for RollupKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.splitn(4, '|');
            let letter = parts.next()?;
            let granularity =
                Granularity::ALL.into_iter().find(|known| letter == letter_of(*known).to_string())?;
            let bucket_millis = parts.next()?.parse().ok()?;
            let partition = Partition(parts.next()?.parse().ok()?);
            let what = parts.next()?;
            let (event_type, source) = match what.split_once('@') {
                Some((event_type, source)) => (event_type, Some(source.to_owned())),
                None => (what, None),
            };
            Some(Self { granularity, bucket_millis, partition, event_type: event_type.to_owned(), source })
        };
        parse().ok_or_else(|| InvalidKey(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_what_it_shows() {
        for source in [None, Some("gw1/a|b@c".to_owned())] {
            let key = RollupKey {
                granularity: Granularity::Hour,
                bucket_millis: 1_790_000_000_000,
                partition: Partition(3),
                event_type: "flow|rate".replace('|', "-"),
                source,
            };
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn a_type_with_a_bar_still_reads_back() {
        let key: RollupKey = "m|01790000000000|0|a|b@gw".parse().expect("parses");
        assert_eq!((key.event_type.as_str(), key.source.as_deref()), ("a|b", Some("gw")));
    }

    #[test]
    fn the_ids_before_a_moment_are_of_one_granularity_and_start_earlier() {
        let id = |granularity, bucket_millis| {
            let event_type = "flow".to_owned();
            RollupKey { granularity, bucket_millis, partition: Partition(0), event_type, source: None }
                .to_string()
        };
        let before = RollupKey::ids_before(Granularity::Hour, 7_200_000);
        assert!(before.contains(&id(Granularity::Hour, 3_600_000)));
        assert!(before.contains(&id(Granularity::Hour, 0)));
        assert!(!before.contains(&id(Granularity::Hour, 7_200_000)));
        assert!(!before.contains(&id(Granularity::Day, 0)));
        assert!(!before.contains(&id(Granularity::Minute, 0)));
    }
}
