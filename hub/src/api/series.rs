//! `GET /api/v1/series`: the catalogue of series with their last values, paged.

use axum::Json;
use axum::extract::State;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use serde::{Deserialize, Serialize};
use serde_json::{Value as JsonValue, json};

use crate::live::rfc3339_millis;
use crate::store::series;

use super::callers::Viewer;
use super::errors::ApiError;
use super::params::{Params, parse_limit};
use super::state::ApiState;

/// The query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    #[serde(rename = "type")]
    event_type: Option<String>,
    source: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    series: Vec<Entry>,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "type")]
    event_type: String,
    source: String,
    labels: JsonValue,
    agent: String,
    last_value: JsonValue,
    last_time: Option<String>,
    first_seen: Option<String>,
}

/// Answers a page of series, by type and source.
pub(super) async fn get(
    _: Viewer,
    State(state): State<ApiState>,
    Params(query): Params<Query>,
) -> Result<Json<Page>, ApiError> {
    let limit = parse_limit(query.limit, 100, 1_000)?;
    let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let found = state
        .store()
        .collection(series::COLLECTION)
        .find(filter(&query))
        .sort(doc! { "_id": 1 })
        .limit(one_more)
        .await?;
    let mut found: Vec<Document> = found.try_collect().await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last_id = found.last().and_then(|last| last.get_str("_id").ok()).map(str::to_owned);
    Ok(Json(Page { series: found.iter().map(entry).collect(), next: last_id.filter(|_| has_more) }))
}

/// The ids are `TYPE@SOURCE …` and types have no `@`, so that a type is a range of ids and a page goes on by id.
fn filter(query: &Query) -> Document {
    let mut id = Document::new();
    if let Some(event_type) = &query.event_type {
        id.insert("$gte", format!("{event_type}@"));
        id.insert("$lt", format!("{event_type}A"));
    }
    if let Some(cursor) = &query.cursor {
        id.insert("$gt", cursor);
    }
    let mut filter = Document::new();
    if !id.is_empty() {
        filter.insert("_id", id);
    }
    if let Some(source) = &query.source {
        filter.insert("source", source);
    }
    if let Some(event_type) = &query.event_type {
        filter.insert("type", event_type);
    }
    filter
}

fn entry(found: &Document) -> Entry {
    let text = |name: &str| found.get_str(name).unwrap_or_default().to_owned();
    let time = |name: &str| found.get_datetime(name).ok().map(|time| rfc3339_millis(time.timestamp_millis()));
    let labels = found.get_document("labels").cloned().unwrap_or_default();
    Entry {
        event_type: text("type"),
        source: text("source"),
        labels: Bson::Document(labels).into_relaxed_extjson(),
        agent: text("agent"),
        last_value: value_of(found, "lastValue", "lastFlag", "lastText"),
        last_time: time("lastTime"),
        first_seen: time("firstSeen"),
    }
}

/// Returns whichever of the three fields is there. JSON has no NaN and no infinities: they become texts.
pub(super) fn value_of(document: &Document, number: &str, flag: &str, text: &str) -> JsonValue {
    if let Ok(value) = document.get_f64(number) {
        return if value.is_finite() { json!(value) } else { json!(value.to_string()) };
    }
    match (document.get_bool(flag), document.get_str(text)) {
        (Ok(value), _) => json!(value),
        (_, Ok(value)) => json!(value),
        _ => JsonValue::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_range_of_ids_and_a_cursor_goes_on_inside_it() {
        let query = Query {
            event_type: Some("flow".to_owned()),
            source: None,
            limit: None,
            cursor: Some("flow@gw1/a".to_owned()),
        };
        let id = doc! { "$gte": "flow@", "$lt": "flowA", "$gt": "flow@gw1/a" };
        assert_eq!(filter(&query), doc! { "_id": id, "type": "flow" });
    }
}
