//! `series`: the catalogue. A new series is entered in the transaction that applies its first reading; last values
//! follow within seconds, outside of it, because the next reading heals them.

use mongodb::bson::{DateTime, Document, doc};
use penstock_shared::id::AgentId;
use penstock_shared::reading::{Series, TimestampMicros, Value};

use super::{Store, StoreError};

/// The collection's name.
pub const COLLECTION: &str = "series";

/// The newest reading of a series.
#[derive(Debug, Clone)]
pub struct LastValue {
    /// Which series.
    pub series: std::sync::Arc<Series>,
    /// Which gateway.
    pub agent: AgentId,
    /// When.
    pub time: TimestampMicros,
    /// What.
    pub value: Value,
}

pub(super) async fn create(store: &Store) -> Result<(), StoreError> {
    let indexes = [
        ("type_source", doc! { "type": 1, "source": 1 }, doc! {}),
        ("source", doc! { "source": 1 }, doc! {}),
    ];
    store.create_indexes(COLLECTION, &indexes).await
}

fn series_id(series: &Series) -> String {
    series.to_string()
}

/// Returns the `update` statement that brings a series' last value forward, and enters the series if it is new.
/// An older reading than the one noted changes nothing.
#[must_use]
pub fn note(last: &LastValue) -> Document {
    let series = &last.series;
    let labels: Document = series.labels.iter().map(|(name, value)| (name.clone(), value.into())).collect();
    let time = DateTime::from_millis(last.time.millis());
    let (field, value): (&str, mongodb::bson::Bson) = match &last.value {
        Value::Number(number) => ("lastValue", (*number).into()),
        Value::Boolean(flag) => ("lastFlag", (*flag).into()),
        Value::Text(text) => ("lastText", text.as_str().into()),
    };
    let newer = doc! { "$gte": [time, { "$ifNull": ["$lastTime", time] }] };
    let mut set = doc! {
        "type": { "$literal": series.event_type.as_str() },
        "source": { "$literal": series.source.as_str() },
        "agent": last.agent.as_str(),
        "labels": { "$literal": labels },
        "firstSeen": { "$ifNull": ["$firstSeen", "$$NOW"] },
        "lastTime": { "$cond": [&newer, time, "$lastTime"] },
    };
    for name in ["lastValue", "lastFlag", "lastText"] {
        let fresh = if name == field {
            doc! { "$literal": value.clone() }.into()
        } else {
            mongodb::bson::Bson::from("$$REMOVE")
        };
        set.insert(name, doc! { "$cond": [&newer, fresh, format!("${name}")] });
    }
    doc! { "q": { "_id": series_id(series) }, "u": [ { "$set": set } ], "upsert": true }
}

/// Brings last values forward, outside of any transaction.
///
/// # Errors
/// When the database refuses.
pub async fn note_all(store: &Store, last_values: &[LastValue]) -> Result<(), StoreError> {
    for chunk in last_values.chunks(5_000) {
        let updates: Vec<_> = chunk.iter().map(note).collect();
        store
            .database()
            .run_command(doc! { "update": COLLECTION, "updates": updates, "ordered": false })
            .await
            .map_err(StoreError::doing("noting last values"))?;
    }
    Ok(())
}
