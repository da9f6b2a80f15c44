//! The recent state of a channel, as the first thing that a subscriber gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::TryStreamExt;
use mongodb::bson::doc;
use penstock_shared::live::{Channel, ServerMessage};
use penstock_shared::metrics::Granularity;
use penstock_shared::reading::TimestampMicros;
use serde_json::value::RawValue;

use super::outbox::Outbox;
use super::{Live, shape};
use crate::store::{StoreError, rollups};

/// Returns how much of the past a snapshot shows: an hour of minutes, two days of hours, 60 days of days.
const fn span_millis(granularity: Granularity) -> i64 {
    match granularity {
        Granularity::Minute => 60 * 60_000,
        Granularity::Hour => 48 * 3_600_000,
        Granularity::Day => 60 * 86_400_000,
    }
}

/// Reads a channel's recent state and puts it into an outbox that holds updates since before.
pub(super) async fn send(live: &Live, channel: &Channel, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
    let mut revisions = BTreeMap::new();
    let items = match channel {
        Channel::Metrics { event_type, source, granularity } => {
            let now = granularity.bucket_start_millis(TimestampMicros::now());
            let from = now - span_millis(*granularity);
            // Devices' clocks may run ahead: what is dated in the near future belongs to the snapshot.
            let to = now + 2 * granularity.millis();
            let source = source.as_deref();
            let buckets = rollups::range(&live.store, event_type, source, *granularity, from, to).await?;
            revisions.extend(buckets.iter().map(|stored| (stored.key.bucket_millis, stored.revision)));
            shape::raw(&buckets.iter().map(shape::live_bucket).collect::<Vec<_>>())
        }
        Channel::Agents => match (live.render_agents)(None).await {
            Ok(agents) => shape::raw(&agents),
            Err(error) => return Err(StoreError::document("rendering the agents", error)),
        },
        Channel::Events(event_type) => recent_events(live, event_type).await?,
        Channel::Windows(_) | Channel::Alerts => shape::raw(&[(); 0]),
    };
    let message = ServerMessage::Snapshot { channel: channel.to_string(), items };
    outbox.snapshot(channel, shape::text_of(&message), revisions);
    Ok(())
}

/// The catalogue's last value of each source: a look into `events_ts` sorted by time would unpack every bucket.
async fn recent_events(live: &Live, event_type: &str) -> Result<Box<RawValue>, StoreError> {
    let doing = StoreError::doing("reading last values");
    let mut cursor = live
        .store
        .collection(crate::store::series::COLLECTION)
        .find(doc! { "type": event_type })
        .sort(doc! { "lastTime": -1 })
        .limit(100)
        .await
        .map_err(&doing)?;
    let mut events = Vec::new();
    while let Some(series) = cursor.try_next().await.map_err(&doing)? {
        let text = |name: &str| series.get_str(name).unwrap_or_default().to_owned();
        let value =
            ["lastValue", "lastFlag", "lastText"].into_iter().find_map(|name| series.get(name).cloned());
        let time = series.get_datetime("lastTime").map_or(0, |time| time.timestamp_millis());
        let labels = series.get_document("labels").cloned().unwrap_or_default();
        events.push(serde_json::json!({
            "type": text("type"),
            "source": text("source"),
            "labels": mongodb::bson::Bson::Document(labels).into_relaxed_extjson(),
            "agent": text("agent"),
            "time": shape::rfc3339_micros(TimestampMicros(time * 1000)),
            "value": value.map(mongodb::bson::Bson::into_relaxed_extjson),
        }));
    }
    Ok(shape::raw(&events))
}
