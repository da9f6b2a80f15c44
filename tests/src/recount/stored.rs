//! Raw readings, and whether each acknowledged one is there exactly once.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use penstock_shared::reading::TimestampMicros;

use crate::device::Record;

/// One document of `events_ts`.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReading {
    /// Its identity.
    pub id: Vec<u8>,
    /// Its type.
    pub event_type: String,
    /// Its source.
    pub source: String,
    /// When.
    pub time: TimestampMicros,
    /// Its number; none when it is no number.
    pub value: Option<f64>,
}

/// Reads the whole of `events_ts`.
///
/// # Errors
/// When the store cannot be read, or a document has not the fields that it must have.
pub async fn stored_readings(database: &Database) -> Result<Vec<StoredReading>, String> {
    let collection = database.collection::<Document>("events_ts");
    let find = collection.find(doc! {}).batch_size(10_000);
    let cursor = find.await.map_err(|fault| fault.to_string())?;
    let documents = cursor.map_err(|fault| fault.to_string());
    documents
        .and_then(async |document| read(&document).ok_or_else(|| format!("not a reading: {document}")))
        .try_collect()
        .await
}

fn read(document: &Document) -> Option<StoredReading> {
    let metadata = document.get_document("metadata").ok()?;
    let micros = document.get_i32("us").unwrap_or(0);
    let millis = document.get_datetime("timestamp").ok()?.timestamp_millis();
    Some(StoredReading {
        id: document.get_binary_generic("_id").ok()?.clone(),
        event_type: metadata.get_str("eventType").ok()?.to_owned(),
        source: metadata.get_str("source").ok()?.to_owned(),
        time: TimestampMicros(millis * 1000 + i64::from(micros)),
        value: document.get_f64("value").ok(),
    })
}

/// Checks the raw readings against what the devices remember.
pub(super) fn check(readings: &[StoredReading], records: &[Record]) -> Result<(), String> {
    let ids: HashSet<_> = readings.iter().map(|reading| &reading.id).collect();
    if ids.len() < readings.len() {
        return Err(format!("{} ids are there twice", readings.len() - ids.len()));
    }
    let mut by_series: HashMap<_, Vec<_>> = HashMap::new();
    for reading in readings {
        by_series.entry((reading.event_type.as_str(), reading.source.as_str())).or_default().push(reading);
    }
    for record in records {
        let series = (record.event_type.as_str(), record.source.as_str());
        check_series(record, &by_series.remove(&series).unwrap_or_default())?;
    }
    match by_series.keys().next() {
        Some(series) => Err(format!("nobody published {series:?}")),
        None => Ok(()),
    }
}

fn check_series(record: &Record, readings: &[&StoredReading]) -> Result<(), String> {
    let named = |what: &str| format!("{}@{}: {what}", record.event_type, record.source);
    let mut stored = HashSet::new();
    for reading in readings {
        let value = reading.value.ok_or_else(|| named("a value is no number"))?;
        let attempt = value as u64;
        let sent = (attempt as usize).checked_sub(1).and_then(|index| record.times.get(index));
        if sent != Some(&reading.time) || value.fract() != 0.0 {
            return Err(named(&format!("{value} at {} was never sent: it was {sent:?}", reading.time.0)));
        }
        if !stored.insert(attempt) {
            return Err(named(&format!("reading {attempt} is stored twice")));
        }
    }
    let lost: Vec<_> = record.acknowledged.difference(&stored).collect();
    if let Some(example) = lost.iter().min() {
        let (lost, all) = (lost.len(), record.acknowledged.len());
        return Err(named(&format!("{lost} of {all} acknowledged readings are missing, such as {example}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(acknowledged: &[u64]) -> Record {
        Record {
            event_type: "t".into(),
            source: "s".into(),
            times: vec![TimestampMicros(10), TimestampMicros(20)],
            acknowledged: acknowledged.iter().copied().collect(),
        }
    }

    fn reading(id: u8, attempt: u64) -> StoredReading {
        let (event_type, source) = ("t".into(), "s".into());
        let time = TimestampMicros(i64::try_from(attempt).unwrap() * 10);
        StoredReading { id: vec![id], event_type, source, time, value: Some(attempt as f64) }
    }

    #[test]
    fn an_unacknowledged_reading_may_be_there_but_an_acknowledged_one_must() {
        assert_eq!(check(&[reading(1, 1), reading(2, 2)], &[record(&[1])]), Ok(()));
        assert!(check(&[reading(2, 2)], &[record(&[1])]).unwrap_err().contains("missing"));
    }

    #[test]
    fn a_doubled_or_invented_reading_is_found() {
        assert!(check(&[reading(1, 1), reading(2, 1)], &[record(&[1])]).unwrap_err().contains("twice"));
        assert!(check(&[reading(1, 1), reading(1, 2)], &[record(&[1])]).unwrap_err().contains("twice"));
        assert!(check(&[reading(1, 3)], &[record(&[])]).unwrap_err().contains("never sent"));
        assert!(check(&[reading(1, 1)], &[]).unwrap_err().contains("nobody"));
    }
}
