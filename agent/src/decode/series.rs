//! Series that were made already, so that readings share them. Bounded by number and by bytes, whatever names devices
//! invent; what no series can be is not remembered.

use std::collections::HashSet;
use std::sync::Arc;

use penstock_shared::reading::{InvalidSeries, Series};

/// A series, or why it is none.
pub(super) type Interned = Result<Arc<Series>, InvalidSeries>;

/// Series remembered at most; more make the memory start over.
pub(super) const MAX_CACHED: usize = 20_000;
/// Bytes of names remembered at most.
pub(super) const MAX_CACHED_BYTES: usize = 12 << 20;

/// Validates a series and makes it one to share.
pub(super) fn intern(series: Series) -> Interned {
    series.validate()?;
    Ok(Arc::new(series))
}

/// Tells about how much memory a series takes.
pub(super) fn bytes_of(series: &Series) -> usize {
    let label = |(name, value): (&String, &String)| 2 * size_of::<String>() + name.len() + value.len();
    let labels: usize = series.labels.iter().map(label).sum();
    size_of::<Series>() + series.event_type.len() + series.source.len() + labels
}

/// Series by what they say.
#[derive(Debug, Default)]
pub(super) struct SeriesCache {
    known: HashSet<Arc<Series>>,
    bytes: usize,
}

impl SeriesCache {
    /// Returns the series that is remembered for this one.
    pub(super) fn intern(&mut self, series: Series) -> Interned {
        if let Some(known) = self.known.get(&series) {
            return Ok(Arc::clone(known));
        }
        let bytes = bytes_of(&series);
        let series = intern(series)?;
        if self.known.len() >= MAX_CACHED || self.bytes + bytes > MAX_CACHED_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.known.insert(Arc::clone(&series));
        Ok(series)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn long_names_fill_no_memory() {
        let mut cache = SeriesCache::default();
        let labels: BTreeMap<_, _> = (0..16).map(|label| (format!("l{label}"), "v".repeat(250))).collect();
        for number in 0..MAX_CACHED {
            let source = format!("s{number}");
            let series = Series { event_type: "t".to_owned(), source, labels: labels.clone() };
            cache.intern(series).expect("a valid series");
            assert!(cache.known.len() * 16 * 250 <= MAX_CACHED_BYTES);
        }
    }
}
