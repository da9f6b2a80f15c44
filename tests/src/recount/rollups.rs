//! Rollups as they are, and as they must be by a recount of the raw readings.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use penstock_shared::metrics::Granularity;
use serde_json::Value;

use super::StoredReading;
use crate::rest::Rest;

/// How far a sum may be off, of its size: partial sums are added in another order.
const SUM_TOLERANCE: f64 = 1e-9;

/// Type, source or none for all, granularity, start in milliseconds.
type Key = (String, Option<String>, GranularityName, i64);
/// `minute`, `hour` or `day`: names have an order, so that they can stand in a key.
type GranularityName = &'static str;

/// How many, and their total.
type Sum = (u64, f64);

/// Counts and sums by bucket.
#[derive(Debug, Clone, Default)]
pub struct Buckets(BTreeMap<Key, Sum>);

impl Buckets {
    /// Adds up raw readings: for each granularity, for each source and for all of them.
    #[must_use]
    pub fn recount(readings: &[StoredReading]) -> Self {
        let mut buckets = Self::default();
        for reading in readings {
            let Some(value) = reading.value else { continue };
            for granularity in Granularity::ALL {
                let start = granularity.bucket_start_millis(reading.time);
                for source in [Some(reading.source.clone()), None] {
                    buckets.add((reading.event_type.clone(), source, granularity.as_str(), start), 1, value);
                }
            }
        }
        buckets
    }

    /// Returns how many buckets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many readings the minutes of the types chosen count, each once.
    #[must_use]
    pub fn readings(&self, chosen: impl Fn(&str) -> bool) -> u64 {
        let minutes = self.0.iter().filter(|(key, _)| chosen(&key.0) && key.1.is_none() && key.2 == "minute");
        minutes.map(|(_, (count, _))| count).sum()
    }

    /// Checks that `found` has the same buckets with the same counts and sums.
    ///
    /// # Errors
    /// With the first bucket that differs.
    pub fn compare(&self, found: &Self, place: &str) -> Result<(), String> {
        for (key, counted) in &self.0 {
            match found.0.get(key) {
                None => return Err(format!("{place} lacks {key:?}, recounted {counted:?}")),
                Some(stored) if !agree(*stored, *counted) => {
                    return Err(format!("{place} has {stored:?} for {key:?}, recounted {counted:?}"));
                }
                Some(_) => {}
            }
        }
        match found.0.iter().find(|(key, _)| !self.0.contains_key(*key)) {
            Some((key, stored)) => {
                Err(format!("{place} has {stored:?} for {key:?}, but no reading is there"))
            }
            None => Ok(()),
        }
    }

    fn add(&mut self, key: Key, count: u64, total: f64) {
        let bucket = self.0.entry(key).or_default();
        bucket.0 += count;
        bucket.1 += total;
    }
}

fn agree(a: Sum, b: Sum) -> bool {
    a.0 == b.0 && (a.1 - b.1).abs() <= SUM_TOLERANCE * a.1.abs().max(1.0)
}

/// Reads the whole of `metrics_preagg`, partitions added up.
///
/// # Errors
/// When the store cannot be read, or a document has not the fields that it must have.
pub async fn stored_rollups(database: &Database) -> Result<Buckets, String> {
    let collection = database.collection::<Document>("metrics_preagg");
    let mut cursor = collection.find(doc! {}).await.map_err(|fault| fault.to_string())?;
    let mut buckets = Buckets::default();
    while let Some(document) = cursor.try_next().await.map_err(|fault| fault.to_string())? {
        let (key, count, total) = read(&document).ok_or_else(|| format!("not a rollup: {document}"))?;
        buckets.add(key, count, total);
    }
    Ok(buckets)
}

fn read(document: &Document) -> Option<(Key, u64, f64)> {
    let granularity: Granularity = document.get_str("granularity").ok()?.parse().ok()?;
    let key = (
        document.get_str("type").ok()?.to_owned(),
        document.get_str("source").ok().map(str::to_owned),
        granularity.as_str(),
        document.get_datetime("bucket").ok()?.timestamp_millis(),
    );
    let count = u64::try_from(document.get_i64("count").ok()?).ok()?;
    Some((key, count, document.get_f64("total").ok()?))
}

/// Checks that `GET /metrics/{type}` tells of every type what the recount says.
pub(super) async fn check_rest(counted: &Buckets, rest: &Rest) -> Result<(), String> {
    let mut whole: BTreeMap<_, Vec<(i64, Sum)>> = BTreeMap::new();
    for ((event_type, source, granularity, start), figures) in &counted.0 {
        if source.is_none() {
            whole.entry((event_type, granularity)).or_default().push((*start, *figures));
        }
    }
    for ((event_type, granularity), buckets) in whole {
        let (from, to) = (buckets[0].0, buckets[buckets.len() - 1].0 + 1);
        let path = format!("/api/v1/metrics/{event_type}?granularity={granularity}&from={from}&to={to}");
        let answer = rest.get(&path).await?;
        let told: Vec<_> = answer.as_array().ok_or("no array of buckets")?.iter().map(figures).collect();
        let same = told.len() == buckets.len()
            && told.iter().zip(&buckets).all(|(told, (_, counted))| agree(*told, *counted));
        if !same {
            return Err(format!("{path} tells {told:?}, recounted {buckets:?}"));
        }
    }
    Ok(())
}

fn figures(bucket: &Value) -> Sum {
    (bucket["count"].as_u64().unwrap_or_default(), bucket["total"].as_f64().unwrap_or(f64::NAN))
}
