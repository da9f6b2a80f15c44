//! Events of applications: they enter the ledger beside agents' frames and are applied by the same processor.
//!
//! Each request is an epoch of its own with a single commit. With an `Idempotency-Key` the epoch is drawn from the
//! key, so that the ledger's unique `_id` recognises the repetition; without, it is drawn at random.

use std::collections::BTreeMap;
use std::sync::Arc;

use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::{Series, TimestampMicros, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::batches::{LedgerEntry, Payload, batch_id};
use crate::store::events::{Extra, ReadingId, StoredReading};

/// What marks the agent ids of applications: no gateway may have such an id.
pub const APPLICATION_PREFIX: &str = "app.";

/// One event as an application gives it, validated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What is measured or what happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Who measured.
    pub source: String,
    /// When, in microseconds since 1970.
    pub time: TimestampMicros,
    /// What.
    pub value: Value,
    /// Who acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Anything, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<String>,
}

/// The events of one request.
#[derive(Debug, Clone)]
pub struct Events {
    /// The application, `app.NAME`.
    pub application: AgentId,
    /// What makes repetitions of the request recognisable.
    pub idempotency_key: Option<String>,
    /// At least one.
    pub events: Vec<Event>,
}

impl Events {
    /// Makes the ledger entry.
    pub(super) fn to_ledger_entry(&self) -> LedgerEntry {
        let epoch = self.idempotency_key.as_ref().map_or_else(Epoch::random, |key| self.epoch_of(key));
        let commit = CommitNumber::NONE.next();
        LedgerEntry {
            id: batch_id(&self.application, epoch, commit),
            agent: self.application.clone(),
            epoch,
            first: commit,
            last: commit,
            readings: self.events.len() as u32,
            arrived: mongodb::bson::DateTime::now(),
            payload: Payload::Application(serde_json::to_vec(&self.events).expect("events always serialise")),
        }
    }

    fn epoch_of(&self, key: &str) -> Epoch {
        let mut hash = Sha256::new();
        hash.update(self.application.as_str());
        hash.update([0]);
        hash.update(key);
        let digest: [u8; 32] = hash.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Epoch(u64::from_be_bytes(first))
    }
}

/// Unpacks a ledger entry's application events.
///
/// # Errors
/// When the payload is not what [`Events`] writes.
pub fn unpack(entry: &LedgerEntry, payload: &[u8]) -> Result<Vec<StoredReading>, serde_json::Error> {
    let events: Vec<Event> = serde_json::from_slice(payload)?;
    let unpacked = events.into_iter().zip(0..).map(|(event, index)| StoredReading {
        id: ReadingId::new(entry.epoch, entry.first, index),
        series: Arc::new(Series {
            event_type: event.event_type,
            source: event.source,
            labels: BTreeMap::new(),
        }),
        time: event.time,
        value: event.value,
        extra: (event.user_id.is_some() || event.properties.is_some())
            .then(|| Box::new(Extra { user_id: event.user_id, properties: event.properties })),
    });
    Ok(unpacked.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(key: Option<&str>) -> Events {
        Events {
            application: AgentId::new("app.shop").expect("valid"),
            idempotency_key: key.map(str::to_owned),
            events: vec![Event {
                event_type: "order".into(),
                source: "shop".into(),
                time: TimestampMicros(1_000_000),
                value: Value::Number(12.5),
                user_id: Some("u1".into()),
                properties: Some("{\"a\":1}".into()),
            }],
        }
    }

    #[test]
    fn the_same_key_is_the_same_batch_and_no_key_is_always_another() {
        assert_eq!(events(Some("k")).to_ledger_entry().id, events(Some("k")).to_ledger_entry().id);
        assert_ne!(events(Some("k")).to_ledger_entry().id, events(Some("j")).to_ledger_entry().id);
        assert_ne!(events(None).to_ledger_entry().id, events(None).to_ledger_entry().id);
    }

    #[test]
    fn events_come_back_out_of_the_ledger() {
        let entry = events(None).to_ledger_entry();
        let Payload::Application(bytes) = &entry.payload else { panic!("not application events") };
        let unpacked = unpack(&entry, bytes).expect("unpacks");
        assert_eq!(unpacked[0].series.event_type, "order");
        assert_eq!(unpacked[0].extra.as_ref().and_then(|extra| extra.user_id.as_deref()), Some("u1"));
    }
}
