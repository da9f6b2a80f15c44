//! One client's conversation: what it asks for, what it is sent, when it is let go.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket};
use penstock_shared::live::{Channel, ClientMessage, ServerMessage};
use tokio::sync::watch::Receiver;

use super::outbox::Outbox;
use super::{Live, shape, snapshot};

/// How often a client is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A client that takes longer for one message is let go.
const SEND_LIMIT: Duration = Duration::from_secs(10);

enum Event {
    Received(Option<Result<Message, axum::Error>>),
    Filled,
    Tick,
    Stop,
}

struct Client<'a> {
    live: &'a Live,
    outbox: Arc<Outbox>,
    channels: HashSet<Channel>,
    last_heard: Instant,
}

/// Serves a client until it leaves, falls silent, or the hub stops.
pub(super) async fn serve(live: &Live, mut socket: WebSocket, mut shutdown: Receiver<bool>) {
    let mut client =
        Client { live, outbox: Arc::default(), channels: HashSet::new(), last_heard: Instant::now() };
    let mut ping = tokio::time::interval(PING_INTERVAL);
    loop {
        // Every branch is cancel-safe: a stream's next, a notification that stays, a timer, a watch.
        let event = tokio::select! {
            received = socket.recv() => Event::Received(received),
            () = client.outbox.filled() => Event::Filled,
            _ = ping.tick() => Event::Tick,
            _ = shutdown.wait_for(|stop| *stop) => Event::Stop,
        };
        let goes_on = match event {
            Event::Received(Some(Ok(message))) => {
                client.hear(message).await && client.drain(&mut socket).await
            }
            Event::Received(_) | Event::Stop => false,
            Event::Filled => client.drain(&mut socket).await,
            Event::Tick => {
                client.last_heard.elapsed() < live.options.idle_limit
                    && send(&mut socket, Message::Ping(Vec::new().into())).await
            }
        };
        if !goes_on {
            break;
        }
    }
    for channel in &client.channels {
        live.fan_out.unsubscribe(channel, &client.outbox);
    }
    // The peer may be gone already; there is nobody to tell.
    drop(tokio::time::timeout(SEND_LIMIT, socket.send(Message::Close(None))).await);
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(SEND_LIMIT, socket.send(message)).await, Ok(Ok(())))
}

impl Client<'_> {
    /// Reacts to a message; false when the client is leaving.
    async fn hear(&mut self, message: Message) -> bool {
        self.last_heard = Instant::now();
        match message {
            Message::Text(text) => self.hear_text(text.as_str()).await,
            Message::Binary(_) => self.complain("messages are JSON text", None),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return false,
        }
        true
    }

    async fn hear_text(&mut self, text: &str) {
        let limit = self.live.options.max_client_message_bytes;
        if text.len() > limit {
            return self.complain(&format!("message of {} bytes exceeds {limit}", text.len()), None);
        }
        match serde_json::from_str(text) {
            Ok(ClientMessage::Subscribe { channel }) => self.subscribe(&channel).await,
            Ok(ClientMessage::Unsubscribe { channel }) => match channel.parse::<Channel>() {
                Ok(parsed) => {
                    self.live.fan_out.unsubscribe(&parsed, &self.outbox);
                    self.outbox.close(&parsed);
                    self.channels.remove(&parsed);
                }
                Err(error) => self.complain(&error.to_string(), Some(channel)),
            },
            Err(error) => self.complain(&format!("not a message: {error}"), None),
        }
    }

    async fn subscribe(&mut self, text: &str) {
        let channel: Channel = match text.parse() {
            Ok(channel) => channel,
            Err(error) => {
                let shown = text.chars().take(128).collect();
                return self
                    .complain(&(error as penstock_shared::live::UnknownChannel).to_string(), Some(shown));
            }
        };
        if self.outbox.channels() >= self.live.options.max_channels {
            let limit = self.live.options.max_channels;
            return self
                .complain(&format!("a client may subscribe to {limit} channels"), Some(text.to_owned()));
        }
        // First the subscription, which holds updates, then the snapshot: nothing falls between them.
        if self.outbox.open(&channel) {
            self.live.fan_out.subscribe(channel.clone(), &self.outbox);
            self.channels.insert(channel.clone());
        } else {
            self.outbox.reopen(&channel);
        }
        if let Err(error) = snapshot::send(self.live, &channel, &self.outbox).await {
            tracing::warn!(%error, channel = text, "snapshot failed");
            self.live.fan_out.unsubscribe(&channel, &self.outbox);
            self.outbox.close(&channel);
            self.channels.remove(&channel);
            self.complain("the snapshot cannot be read now, subscribe again later", Some(text.to_owned()));
        }
    }

    fn complain(&self, message: &str, channel: Option<String>) {
        self.outbox.say(shape::text_of(&ServerMessage::Error { message: message.to_owned(), channel }));
    }

    /// Sends everything that waits; false when the client is gone or too slow.
    async fn drain(&self, socket: &mut WebSocket) -> bool {
        let skipped = self.outbox.take_skipped();
        if skipped > 0 {
            self.complain(
                &format!("{skipped} readings were skipped: the connection is too slow for them"),
                None,
            );
        }
        while let Some(text) = self.outbox.next() {
            if !send(socket, Message::Text(text.as_ref().into())).await {
                return false;
            }
        }
        true
    }
}
