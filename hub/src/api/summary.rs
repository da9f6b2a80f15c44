//! `GET /api/v1/summary`: each type with its sources and the sums of the last hour and the last day.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, DateTime, Document, doc};
use penstock_shared::metrics::Granularity;
use penstock_shared::reading::TimestampMicros;
use serde::{Deserialize, Serialize};

use crate::store::{Store, rollups, series};

use super::callers::Viewer;
use super::errors::ApiError;
use super::params::Params;
use super::state::ApiState;

/// The most types that one answer has.
const MAX_TYPES: i64 = 1_000;

/// The query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    types: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    types: Vec<TypeSummary>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TypeSummary {
    #[serde(rename = "type")]
    event_type: String,
    sources: i64,
    unit: Option<String>,
    last_hour: Sums,
    last_day: Sums,
    newest: Option<i64>,
}

/// How many numbers, and their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Sums {
    pub(super) count: i64,
    pub(super) total: f64,
}

/// The sums of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct RecentSums {
    pub(super) last_hour: Sums,
    pub(super) last_day: Sums,
}

/// Answers the types asked for, or all, by name.
pub(super) async fn get(
    _: Viewer,
    State(state): State<ApiState>,
    Params(query): Params<Query>,
) -> Result<Json<Summary>, ApiError> {
    let wanted: Option<Vec<&str>> =
        query.types.as_deref().map(|types| types.split(',').map(str::trim).collect());
    let catalogue = catalogue(state.store(), wanted.as_deref()).await?;
    let names: Vec<&str> = catalogue.iter().filter_map(|entry| entry.get_str("_id").ok()).collect();
    let sums = recent_sums(state.store(), &names, TimestampMicros::now()).await?;
    let types = catalogue.iter().map(|entry| {
        let event_type = entry.get_str("_id").unwrap_or_default().to_owned();
        let sums = sums.get(&event_type).copied().unwrap_or_default();
        TypeSummary {
            sources: entry.get_i32("sources").map_or(0, i64::from),
            unit: only_unit(entry),
            last_hour: sums.last_hour,
            last_day: sums.last_day,
            newest: entry.get_datetime("newest").ok().map(|time| time.timestamp_millis()),
            event_type,
        }
    });
    Ok(Json(Summary { types: types.collect() }))
}

async fn catalogue(store: &Store, wanted: Option<&[&str]>) -> Result<Vec<Document>, ApiError> {
    let filter = wanted.map_or_else(Document::new, |types| doc! { "type": { "$in": types } });
    let group = doc! {
        "_id": "$type",
        "sources": { "$addToSet": "$source" },
        "units": { "$addToSet": "$labels.unit" },
        "newest": { "$max": "$lastTime" },
    };
    let shape =
        doc! { "sources": { "$size": "$sources" }, "units": { "$slice": ["$units", 2] }, "newest": 1 };
    let pipeline = [
        doc! { "$match": filter },
        doc! { "$group": group },
        doc! { "$project": shape },
        doc! { "$sort": { "_id": 1 } },
        doc! { "$limit": MAX_TYPES },
    ];
    Ok(store.collection(series::COLLECTION).aggregate(pipeline).await?.try_collect().await?)
}

/// Returns the unit when all series of the type agree on one.
fn only_unit(entry: &Document) -> Option<String> {
    match entry.get_array("units").map(Vec::as_slice) {
        Ok([Bson::String(unit)]) => Some(unit.clone()),
        _ => None,
    }
}

/// Sums up the numbers of types over the last 60 minute buckets and the last 24 hour buckets, the present ones
/// included. The present hour is taken from its minutes, which are written more often.
pub(super) async fn recent_sums(
    store: &Store,
    types: &[&str],
    now: TimestampMicros,
) -> Result<BTreeMap<String, RecentSums>, ApiError> {
    let minute = Granularity::Minute.bucket_start_millis(now);
    let hour = Granularity::Hour.bucket_start_millis(now);
    let hour_ago = minute - 59 * Granularity::Minute.millis();
    let day_ago = hour - 23 * Granularity::Hour.millis();
    let spans = doc! { "$or": [
        { "granularity": "minute", "bucket": { "$gte": DateTime::from_millis(hour_ago) } },
        { "granularity": "hour", "bucket": { "$gte": DateTime::from_millis(day_ago), "$lt": DateTime::from_millis(hour) } },
    ] };
    let is_minute = doc! { "$eq": ["$granularity", "minute"] };
    let in_day = doc! { "$or": [
        { "$eq": ["$granularity", "hour"] }, { "$gte": ["$bucket", DateTime::from_millis(hour)] },
    ] };
    let sum = |when: &Document, what: &str| doc! { "$sum": { "$cond": [when, what, 0] } };
    let group = doc! {
        "_id": "$type",
        "hourCount": sum(&is_minute, "$count"), "hourTotal": sum(&is_minute, "$total"),
        "dayCount": sum(&in_day, "$count"), "dayTotal": sum(&in_day, "$total"),
    };
    let filter = doc! { "$and": [{ "type": { "$in": types }, "source": null }, spans] };
    let pipeline = [doc! { "$match": filter }, doc! { "$group": group }];
    let mut cursor = store.collection(rollups::COLLECTION).aggregate(pipeline).await?;
    let mut sums = BTreeMap::new();
    while let Some(found) = cursor.try_next().await? {
        let last_hour = Sums { count: integer(&found, "hourCount"), total: number(&found, "hourTotal") };
        let last_day = Sums { count: integer(&found, "dayCount"), total: number(&found, "dayTotal") };
        sums.insert(found.get_str("_id").unwrap_or_default().to_owned(), RecentSums { last_hour, last_day });
    }
    Ok(sums)
}

/// `$sum` answers with the narrowest type: an integer zero where nothing was summed.
pub(super) fn integer(document: &Document, name: &str) -> i64 {
    match document.get(name) {
        Some(Bson::Int32(value)) => i64::from(*value),
        Some(Bson::Int64(value)) => *value,
        Some(Bson::Double(value)) => *value as i64,
        _ => 0,
    }
}

fn number(document: &Document, name: &str) -> f64 {
    match document.get(name) {
        Some(Bson::Double(value)) => *value,
        _ => integer(document, name) as f64,
    }
}
