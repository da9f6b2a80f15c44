//! The WebSocket's language: channels, what a client may say, what the hub says.
//!
//! Times on this surface are RFC 3339 texts in UTC with milliseconds, but for `newest`, which is a number of
//! milliseconds since 1970 as in [`Figures`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::metrics::{Figures, Granularity};

/// What a client can subscribe to. Written `TYPE:GRANULARITY`, `TYPE@SOURCE:GRANULARITY`, `events:TYPE`,
/// `windows:TYPE`, `agents` or `alerts`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Rollup buckets of a type, over all sources or for one.
    Metrics {
        /// What is measured.
        event_type: String,
        /// One source, or all.
        source: Option<String>,
        /// The buckets' length.
        granularity: Granularity,
    },
    /// Raw readings of a type as they are stored.
    Events(String),
    /// Sliding windows of a type as they close.
    Windows(String),
    /// The fleet's state.
    Agents,
    /// Alerts as they change.
    Alerts,
}

/// Says that a text names no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown channel {0:?}: expected TYPE:GRANULARITY, TYPE@SOURCE:GRANULARITY, events:TYPE, windows:TYPE, agents or alerts"
)]
pub struct UnknownChannel(pub String);

impl FromStr for Channel {
    type Err = UnknownChannel;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownChannel(text.chars().take(128).collect());
        match text {
            "agents" => return Ok(Self::Agents),
            "alerts" => return Ok(Self::Alerts),
            _ => {}
        }
        let metrics = text.rsplit_once(':').and_then(|(what, granularity)| {
            let granularity = granularity.parse().ok()?;
            let (event_type, source) = match what.split_once('@') {
                Some((event_type, source)) => (event_type, Some(source)),
                None => (what, None),
            };
            let complete = !event_type.is_empty() && !event_type.contains(':') && source != Some("");
            complete.then(|| Self::Metrics {
                event_type: event_type.to_owned(),
                source: source.map(str::to_owned),
                granularity,
            })
        });
        if let Some(channel) = metrics {
            return Ok(channel);
        }
        match text.split_once(':') {
            Some(("events", event_type)) if !event_type.is_empty() => Ok(Self::Events(event_type.to_owned())),
            Some(("windows", event_type)) if !event_type.is_empty() => {
                Ok(Self::Windows(event_type.to_owned()))
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metrics { event_type, source: None, granularity } => {
                write!(f, "{event_type}:{granularity}")
            }
            Self::Metrics { event_type, source: Some(source), granularity } => {
                write!(f, "{event_type}@{source}:{granularity}")
            }
            Self::Events(event_type) => write!(f, "events:{event_type}"),
            Self::Windows(event_type) => write!(f, "windows:{event_type}"),
            Self::Agents => f.write_str("agents"),
            Self::Alerts => f.write_str("alerts"),
        }
    }
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// Asks for a snapshot of a channel and all that follows it.
    Subscribe {
        /// The channel as text.
        channel: String,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// The channel as text.
        channel: String,
    },
}

/// A bucket in a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveBucket {
    /// The bucket's start, RFC 3339.
    pub bucket: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What the hub says. `snapshot` comes first on every subscription; nothing between it and the updates is missed.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// The recent state of a channel: buckets (`metrics`), readings (`events`), windows, agents or alerts.
    Snapshot {
        /// The channel as subscribed.
        channel: String,
        /// An array: [`LiveBucket`]s of the last hour for minutes, two days for hours, 60 days for days; or the
        /// last 100 readings as in `GET /events`; or the agents as in `GET /agents`.
        items: Box<RawValue>,
    },
    /// A bucket changed; it replaces the one with the same start.
    MetricUpdate {
        /// The channel as subscribed.
        channel: String,
        /// The bucket, its keys beside `channel`.
        #[serde(flatten)]
        bucket: LiveBucket,
    },
    /// A reading was stored; `event` is shaped as in `GET /events`.
    Event {
        /// The channel as subscribed.
        channel: String,
        /// The reading.
        event: Box<RawValue>,
    },
    /// A sliding window closed.
    Window {
        /// The channel as subscribed.
        channel: String,
        /// The window as in `GET /windows/sliding`.
        window: Box<RawValue>,
    },
    /// An agent's state changed; `agent` is shaped as in `GET /agents`.
    AgentUpdate {
        /// The channel, always `agents`.
        channel: String,
        /// The agent's state.
        agent: Box<RawValue>,
    },
    /// The client said something that cannot be served; the connection stays.
    Error {
        /// A sentence for the developer at the other end.
        message: String,
        /// The channel that it is about, when it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_read_back_what_they_show() {
        for text in [
            "temperature:minute",
            "temperature@gw1/a:b@c:hour",
            "events:door",
            "windows:flow",
            "agents",
            "alerts",
        ] {
            assert_eq!(text.parse::<Channel>().map(|channel| channel.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_names_no_channel_is_refused() {
        for text in
            ["", ":", "temperature", "temperature:second", "@a:minute", "t@:minute", "events:", "a:b:minute"]
        {
            assert!(text.parse::<Channel>().is_err(), "{text:?} was taken for a channel");
        }
    }

    #[test]
    fn an_update_carries_its_figures_flat() {
        let figures = Figures {
            count: 2,
            total: 3.0,
            average: 1.5,
            min: 1.0,
            max: 2.0,
            p50: 1.0,
            p95: 2.0,
            p99: 2.0,
            newest: 7,
        };
        let update = ServerMessage::MetricUpdate {
            channel: "t:minute".into(),
            bucket: LiveBucket { bucket: "2026-01-01T00:00:00.000Z".into(), figures },
        };
        let json = serde_json::to_value(&update).expect("serialises");
        assert_eq!(json["type"], "metric_update");
        assert_eq!(json["bucket"], "2026-01-01T00:00:00.000Z");
        assert_eq!(json["average"], 1.5);
    }
}
