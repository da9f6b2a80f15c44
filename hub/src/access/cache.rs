//! A small map whose entries are believed for a short time: a request must not cost a database query.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How many entries are kept. Wrong tokens enter too, so somebody could try to fill it.
const MAX_ENTRIES: usize = 10_000;

/// Entries with the time of their arrival.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    entries: HashMap<K, (Instant, V)>,
    believed_for: Duration,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(super) fn new(believed_for: Duration) -> Self {
        Self { entries: HashMap::new(), believed_for }
    }

    pub(super) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let (since, value) = self.entries.get(key)?;
        (now.saturating_duration_since(*since) < self.believed_for).then(|| value.clone())
    }

    pub(super) fn insert(&mut self, key: K, value: V, now: Instant) {
        if self.entries.len() >= MAX_ENTRIES {
            let believed_for = self.believed_for;
            self.entries.retain(|_, (since, _)| now.saturating_duration_since(*since) < believed_for);
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.clear();
        }
        self.entries.insert(key, (now, value));
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_believed_for_a_while_and_the_map_stays_small() {
        let mut cache = Cache::new(Duration::from_secs(5));
        let start = Instant::now();
        cache.insert(0, "known", start);
        assert_eq!(cache.get(&0, start + Duration::from_secs(4)), Some("known"));
        assert_eq!(cache.get(&0, start + Duration::from_secs(5)), None);
        for key in 0..3 * MAX_ENTRIES {
            cache.insert(key, "wrong", start);
        }
        assert!(cache.entries.len() <= MAX_ENTRIES);
    }
}
