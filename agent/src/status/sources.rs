//! What each source counts of itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Where a source's counts are read.
#[derive(Clone)]
pub struct SourceStatus {
    /// Which kind of source it is, such as `serial`.
    pub kind: &'static str,
    /// Its name in the configuration.
    pub name: String,
    /// Tells the counts at this moment, named in camel case.
    pub counts: Arc<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>,
}

/// A source's counts since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCounts {
    /// Which kind of source it is, such as `serial`.
    pub kind: String,
    /// Its name in the configuration.
    pub name: String,
    /// Counts by name.
    pub counts: BTreeMap<String, u64>,
}

/// The sources that run at the moment.
#[derive(Default)]
pub struct SourceBoard(Mutex<Vec<SourceStatus>>);

impl SourceBoard {
    /// Says which sources run now.
    pub fn set(&self, sources: Vec<SourceStatus>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }

    pub(super) fn now(&self) -> Vec<SourceCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(SourceStatus::now).collect()
    }
}

impl SourceStatus {
    fn now(&self) -> SourceCounts {
        let counts = (self.counts)().into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        SourceCounts { kind: self.kind.to_owned(), name: self.name.clone(), counts }
    }
}
