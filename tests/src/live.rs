//! A dashboard without a screen: subscribes to channels and keeps the newest state of every bucket.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use penstock_shared::live::{ClientMessage, LiveBucket};
use penstock_shared::metrics::Figures;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// What the hub says, as a client reads it: the shape of [`penstock_shared::live::ServerMessage`].
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Heard {
    /// The recent state of a channel.
    Snapshot {
        /// The channel.
        channel: String,
        /// What it holds.
        items: Value,
    },
    /// A bucket changed.
    MetricUpdate {
        /// The channel.
        channel: String,
        /// The bucket as it is now.
        #[serde(flatten)]
        bucket: LiveBucket,
    },
    /// A reading was stored.
    Event {
        /// The channel.
        channel: String,
        /// The reading.
        event: Value,
    },
    /// What the client said cannot be served.
    Error {
        /// Why.
        message: String,
    },
    /// Something of the fleet or of windows.
    #[serde(untagged)]
    Other(Value),
}

/// One WebSocket.
#[derive(Debug)]
pub struct Live {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    buckets: BTreeMap<(String, String), Figures>,
}

impl Live {
    /// Connects to a hub.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn connect(hub: &str) -> Result<Self, String> {
        let url = format!("{}/api/v1/live", hub.replacen("http", "ws", 1));
        let (socket, _) = connect_async(url).await.map_err(|fault| fault.to_string())?;
        Ok(Self { socket, buckets: BTreeMap::new() })
    }

    /// Subscribes to a channel.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn subscribe(&mut self, channel: &str) -> Result<(), String> {
        let message = ClientMessage::Subscribe { channel: channel.to_owned() };
        self.say(&serde_json::to_string(&message).expect("a client message is JSON")).await
    }

    /// Says anything at all.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn say(&mut self, text: &str) -> Result<(), String> {
        self.socket.send(Message::text(text)).await.map_err(|fault| fault.to_string())
    }

    /// Returns the next message, after taking its buckets in; none when none comes within `patience`.
    ///
    /// # Errors
    /// When the connection is gone, or the hub says something that is no message.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<Heard>, String> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let Ok(received) = tokio::time::timeout_at(deadline, self.socket.next()).await else {
                return Ok(None);
            };
            match received.ok_or("the hub closed the connection")?.map_err(|fault| fault.to_string())? {
                Message::Text(text) => {
                    let message: Heard =
                        serde_json::from_str(&text).map_err(|fault| format!("{fault}: {text}"))?;
                    self.take_in(&message)?;
                    return Ok(Some(message));
                }
                Message::Close(reason) => return Err(format!("the hub closed the connection: {reason:?}")),
                _ => {}
            }
        }
    }

    /// Takes in all that comes within `span`.
    ///
    /// # Errors
    /// As [`Live::next`].
    pub async fn watch(&mut self, span: Duration) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + span;
        while self.next(deadline.saturating_duration_since(tokio::time::Instant::now())).await?.is_some() {}
        Ok(())
    }

    /// Returns the newest state of every bucket of a channel, by its start.
    #[must_use]
    pub fn buckets(&self, channel: &str) -> BTreeMap<&str, &Figures> {
        let of_channel = self.buckets.iter().filter(|((name, _), _)| name == channel);
        of_channel.map(|((_, bucket), figures)| (bucket.as_str(), figures)).collect()
    }

    /// Returns how many readings a channel's buckets count together.
    #[must_use]
    pub fn count(&self, channel: &str) -> u64 {
        self.buckets(channel).values().map(|figures| figures.count).sum()
    }

    fn take_in(&mut self, message: &Heard) -> Result<(), String> {
        match message {
            Heard::Snapshot { channel, items } => {
                // Channels other than metrics have items of other shapes.
                let Ok(items) = Vec::<LiveBucket>::deserialize(items) else { return Ok(()) };
                for bucket in items {
                    self.buckets.insert((channel.clone(), bucket.bucket), bucket.figures);
                }
            }
            Heard::MetricUpdate { channel, bucket } => {
                let key = (channel.clone(), bucket.bucket.clone());
                let old = self.buckets.insert(key, bucket.figures.clone());
                if let Some(old) = old.filter(|old| old.count > bucket.figures.count) {
                    let (count, start) = (bucket.figures.count, &bucket.bucket);
                    return Err(format!("{channel} {start} went back in time: {} then {count}", old.count));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
