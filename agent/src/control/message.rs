//! What is said over the control socket: closed enums, a JSON line each.
//!
//! Program and agent are usually one file of one version; where an update lies between, an unknown request is answered
//! with an error and harms nothing.

use penstock_shared::reading::Reading;
use serde::{Deserialize, Serialize};

use crate::config::Pattern;
use crate::status::Status;
use crate::tap::TapFilter;

/// What an operator wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The status as it is now.
    Status,
    /// Readings as they come, until the connection is closed.
    Tap(TapWish),
}

/// Which readings are wanted, as patterns with `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TapWish {
    /// Of which sources; none means all.
    pub source: Option<String>,
    /// Of which types; none means all.
    pub event_type: Option<String>,
}

/// What the agent says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Tap`], again and again.
    Readings {
        /// The readings, in their order.
        readings: Vec<Reading>,
        /// How many were passed over since the last, as the listener did not keep up.
        missed: u64,
    },
    /// The request was not done.
    Refused {
        /// Why, in a sentence for the operator.
        reason: String,
    },
}

impl TapWish {
    pub(super) fn filter(&self) -> TapFilter {
        let pattern = |text: &Option<String>| text.as_deref().map(Pattern::new).unwrap_or_default();
        TapFilter { source: pattern(&self.source), event_type: pattern(&self.event_type) }
    }
}
