//! Reads back what changed in one query, serialises it once a channel, and offers it to every subscriber.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use penstock_shared::live::{Channel, ServerMessage};
use penstock_shared::reading::TimestampMicros;
use tokio::sync::watch::Receiver;

use super::dirty::Changes;
use super::outbox::Update;
use super::{Live, fan_out, shape, snapshot};
use crate::rollup::{Partition, RollupKey};
use crate::store::{StoreError, batches, rollups};
use crate::unpack::{self, UnpackedBatch};

/// Pushes until told to stop. The first change after a quiet time goes out at once; then at most one push every
/// `coalesce`.
pub(super) async fn run(live: Live, mut shutdown: Receiver<bool>) {
    let mut last = Instant::now();
    loop {
        // Both branches are cancel-safe: a notification that is not consumed stays.
        tokio::select! {
            () = live.dirty.changed() => {}
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
        tokio::time::sleep(live.options.coalesce.saturating_sub(last.elapsed())).await;
        last = Instant::now();
        if let Err(error) = push(&live, live.dirty.take()).await {
            tracing::warn!(%error, "live push failed, watchers start over");
            live.dirty.note(|dirty| dirty.missed = true);
            tokio::time::sleep(live.options.coalesce * 4).await;
        }
    }
}

async fn push(live: &Live, changes: Changes) -> Result<(), StoreError> {
    if changes.missed {
        for (channel, outbox) in live.fan_out.all() {
            outbox.reopen(&channel);
            snapshot::send(live, &channel, &outbox).await?;
        }
    }
    push_buckets(live, changes.buckets.into_iter().collect()).await?;
    if !changes.batches.is_empty() {
        push_events(live, &changes.batches).await?;
    }
    push_agents(live, changes.agents).await;
    let now = TimestampMicros::now();
    for received in changes.oldest_received {
        let micros = now.0.saturating_sub(received.0).max(0);
        live.telemetry.publish_to_push.add(std::time::Duration::from_micros(micros as u64));
    }
    Ok(())
}

async fn push_buckets(live: &Live, changed: Vec<RollupKey>) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let all_partitions: Vec<_> = changed
        .iter()
        .flat_map(|key| Partition::all().map(|partition| RollupKey { partition, ..key.clone() }))
        .collect();
    let buckets = rollups::merge_partitions(rollups::load(&live.store, &all_partitions).await?);
    for stored in buckets {
        let channel = fan_out::channel_of(&stored.key);
        let message =
            ServerMessage::MetricUpdate { channel: channel.to_string(), bucket: shape::live_bucket(&stored) };
        let update = Update {
            bucket_millis: stored.key.bucket_millis,
            revision: stored.revision,
            text: shape::text_of(&message),
        };
        for outbox in live.fan_out.subscribers(&channel) {
            live.telemetry.messages_pushed.increment();
            live.telemetry.messages_superseded.add(outbox.offer(&channel, update.clone()));
        }
    }
    Ok(())
}

async fn push_events(live: &Live, batch_ids: &[String]) -> Result<(), StoreError> {
    let mut watched: HashMap<String, bool> = HashMap::new();
    for entry in batches::by_ids(&live.store, batch_ids).await? {
        let UnpackedBatch { agent, commits, .. } = unpack::unpack(entry);
        for reading in commits.into_iter().flat_map(|commit| commit.readings) {
            let event_type = &reading.series.event_type;
            let channel = Channel::Events(event_type.clone());
            let is_watched =
                *watched.entry(event_type.clone()).or_insert_with(|| live.fan_out.is_watched(&channel));
            if !is_watched {
                continue;
            }
            let event = shape::raw(&shape::event_json(&reading, &agent));
            let text = shape::text_of(&ServerMessage::Event { channel: channel.to_string(), event });
            for outbox in live.fan_out.subscribers(&channel) {
                live.telemetry.messages_pushed.increment();
                outbox.offer_event(Arc::clone(&text));
            }
        }
    }
    Ok(())
}

async fn push_agents(live: &Live, agents: std::collections::BTreeSet<String>) {
    if agents.is_empty() || !live.fan_out.is_watched(&Channel::Agents) {
        return;
    }
    for id in agents {
        match (live.render_agents)(Some(id.clone())).await {
            Ok(rendered) => {
                for agent in rendered {
                    let message = ServerMessage::AgentUpdate {
                        channel: Channel::Agents.to_string(),
                        agent: shape::raw(&agent),
                    };
                    let text = shape::text_of(&message);
                    for outbox in live.fan_out.subscribers(&Channel::Agents) {
                        outbox.say(Arc::clone(&text));
                    }
                }
            }
            Err(error) => tracing::warn!(agent = id, error, "agent's state not pushed"),
        }
    }
}
