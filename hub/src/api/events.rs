//! `GET /api/v1/events`: raw readings and application events, newest first, paged.
//!
//! The store sorts a time-series collection by time cheaply, and by nothing else. Events of the same millisecond are
//! therefore read as one group and put in order here, so that pages neither repeat nor miss one.

use axum::Json;
use axum::extract::State;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, DateTime, Document, doc};
use penstock_shared::reading::TimestampMicros;
use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;

use crate::live::rfc3339_micros;
use crate::store::{Store, events};

use super::callers::Viewer;
use super::errors::ApiError;
use super::params::{Params, parse_limit, parse_time_millis};
use super::series::value_of;
use super::state::ApiState;

/// How far the first look back goes.
const FIRST_WINDOW_MILLIS: i64 = 60_000;
/// Beyond a week, all that is left is looked at.
const WIDEST_WINDOW_MILLIS: i64 = 7 * 86_400_000;
/// How many more are read than asked for, so that the last millisecond of a page is mostly whole.
const SLACK: usize = 100;
/// The most events of one millisecond that are put in order.
const MAX_GROUP: i64 = 50_000;

/// The query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Query {
    #[serde(rename = "type")]
    event_type: Option<String>,
    source: Option<String>,
    user_id: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    events: Vec<EventView>,
    next: Option<String>,
}

/// A reading or an event, shaped as [`crate::live::event_json`] shapes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView {
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    source: String,
    labels: JsonValue,
    agent: String,
    time: String,
    value: JsonValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<JsonValue>,
}

/// An event's place in the order of pages: later first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    millis: i64,
    micros: i32,
    id: String,
}

/// Answers a page of events, newest first.
pub(super) async fn get(
    _: Viewer,
    State(state): State<ApiState>,
    Params(query): Params<Query>,
) -> Result<Json<Page>, ApiError> {
    let limit = parse_limit(query.limit, 100, 1_000)?;
    let from = parse_time_millis("from", query.from.as_deref())?;
    let to = parse_time_millis("to", query.to.as_deref())?;
    let after = query.cursor.as_deref().map(Place::parse).transpose()?;
    let mut found = page(state.store(), &selection(&query), (from, to), after.as_ref(), limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| Place::of(last).to_string());
    Ok(Json(Page { events: found.iter().map(EventView::from_document).collect(), next }))
}

fn selection(query: &Query) -> Document {
    let fields = [
        ("metadata.eventType", &query.event_type),
        ("metadata.source", &query.source),
        ("userId", &query.user_id),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.as_deref()?.into()))).collect()
}

/// Returns up to `count` events after a place.
///
/// Sorting unpacks every bucket that matches, so that the look back begins with a minute and widens tenfold.
async fn page(
    store: &Store,
    selection: &Document,
    (from, to): (Option<i64>, Option<i64>),
    after: Option<&Place>,
    count: usize,
) -> Result<Vec<Document>, ApiError> {
    let earliest = from.unwrap_or(0);
    let mut upper = after.map(|after| after.millis + 1).into_iter().chain(to).min();
    let mut width = FIRST_WINDOW_MILLIS;
    let mut found: Vec<Document> = Vec::new();
    loop {
        let newest = upper.unwrap_or_else(|| TimestampMicros::now().millis());
        let lower = if width > WIDEST_WINDOW_MILLIS { earliest } else { earliest.max(newest - width) };
        let (mut events, reached) =
            window(store, selection, lower, upper, count - found.len() + SLACK).await?;
        events.retain(|event| after.is_none_or(|after| Place::of(event) < *after));
        found.extend(events);
        if found.len() >= count || reached <= earliest {
            found.truncate(count);
            return Ok(found);
        }
        upper = Some(reached);
        width *= 10;
    }
}

/// Returns the newest events with `lower <= time < upper`, whole milliseconds only, and how far back they are all.
async fn window(
    store: &Store,
    selection: &Document,
    lower: i64,
    upper: Option<i64>,
    limit: usize,
) -> Result<(Vec<Document>, i64), ApiError> {
    let mut time = doc! { "$gte": DateTime::from_millis(lower) };
    if let Some(upper) = upper {
        time.insert("$lt", DateTime::from_millis(upper));
    }
    let mut filter = selection.clone();
    filter.insert("timestamp", time);
    let collection = store.collection(events::COLLECTION);
    let at_most = i64::try_from(limit).unwrap_or(i64::MAX);
    let newest = collection.find(filter).sort(doc! { "timestamp": -1 }).limit(at_most).await?;
    let mut found: Vec<Document> = newest.try_collect().await?;
    let mut reached = lower;
    if found.len() == limit
        && let Some(cut_off) = found.last().map(|last| Place::of(last).millis)
    {
        found.retain(|event| Place::of(event).millis > cut_off);
        reached = cut_off + 1;
        if found.is_empty() {
            found = group_at(store, selection, cut_off).await?;
            reached = cut_off;
        }
    }
    found.sort_by_cached_key(|event| std::cmp::Reverse(Place::of(event)));
    Ok((found, reached))
}

/// Returns all events of one millisecond.
async fn group_at(store: &Store, selection: &Document, millis: i64) -> Result<Vec<Document>, ApiError> {
    let mut filter = selection.clone();
    filter.insert("timestamp", DateTime::from_millis(millis));
    let group = store.collection(events::COLLECTION).find(filter).limit(MAX_GROUP).await?;
    Ok(group.try_collect().await?)
}

impl Place {
    fn of(event: &Document) -> Self {
        Self {
            millis: event.get_datetime("timestamp").map_or(0, |time| time.timestamp_millis()),
            micros: event.get_i32("us").unwrap_or(0),
            id: id_of(event),
        }
    }

    fn parse(text: &str) -> Result<Self, ApiError> {
        let parse = || {
            let mut parts = text.splitn(3, '.');
            let millis = parts.next()?.parse().ok()?;
            let micros = parts.next()?.parse().ok()?;
            Some(Self { millis, micros, id: parts.next()?.to_owned() })
        };
        parse().ok_or_else(|| ApiError::BadRequest("cursor is not one that this call gave".to_owned()))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.millis, self.micros, self.id)
    }
}

impl EventView {
    fn from_document(event: &Document) -> Self {
        let empty = Document::new();
        let metadata = event.get_document("metadata").unwrap_or(&empty);
        let text = |name: &str| metadata.get_str(name).unwrap_or_default().to_owned();
        let place = Place::of(event);
        let properties = event.get_str("properties").ok();
        Self {
            event_type: text("eventType"),
            source: text("source"),
            agent: text("agent"),
            labels: Bson::Document(metadata.get_document("labels").cloned().unwrap_or_default())
                .into_relaxed_extjson(),
            time: rfc3339_micros(TimestampMicros(place.millis * 1000 + i64::from(place.micros))),
            value: value_of(event, "value", "flag", "text"),
            user_id: event.get_str("userId").ok().map(str::to_owned),
            properties: properties.map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into())),
            id: place.id,
        }
    }
}

fn id_of(event: &Document) -> String {
    match event.get("_id") {
        Some(Bson::Binary(id)) => id.bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::Binary;
    use mongodb::bson::spec::BinarySubtype;

    use super::*;

    #[test]
    fn a_place_reads_back_what_it_shows_and_orders_within_a_millisecond() {
        let place = |millis, micros, id: &str| Place { millis, micros, id: id.to_owned() };
        assert_eq!(Place::parse("12.3.00ff").ok(), Some(place(12, 3, "00ff")));
        assert_eq!(place(12, 3, "00ff").to_string(), "12.3.00ff");
        assert!(place(12, 3, "ff") < place(12, 4, "00") && place(12, 999, "ff") < place(13, 0, "00"));
        assert!(Place::parse("12").is_err() && Place::parse("a.b.c").is_err());
    }

    #[test]
    fn an_event_shows_its_microseconds_and_its_properties() {
        let event = doc! {
            "_id": Binary { subtype: BinarySubtype::Generic, bytes: vec![0, 255] },
            "timestamp": DateTime::from_millis(1), "us": 7, "flag": true, "properties": "{\"a\":[1]}",
            "metadata": { "eventType": "door", "source": "gw1/hall", "agent": "gw1", "labels": { "unit": "x" } },
        };
        let shown = serde_json::to_value(EventView::from_document(&event)).expect("serialises");
        let expected = serde_json::json!({
            "id": "00ff", "type": "door", "source": "gw1/hall", "agent": "gw1", "labels": { "unit": "x" },
            "time": "1970-01-01T00:00:00.001007Z", "value": true, "properties": { "a": [1] },
        });
        assert_eq!(shown, expected);
    }
}
