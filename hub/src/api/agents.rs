//! `GET /api/v1/agents`: the fleet, each agent with its books.
//!
//! The agent says where its records went, the hub knows what it took and applied; both must agree. The hub's side is
//! read after the report was made, ledger first: a batch that is applied in between counts twice in that sum, never
//! not at all, so that a loss is never reported where there is none.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use futures_util::TryStreamExt;
use mongodb::bson::{self, Document, doc};
use penstock_shared::batch::GapReason;
use penstock_shared::id::Epoch;
use penstock_shared::report::{AgentReport, MissingSpan, RecordCounts};
use serde::Serialize;

use crate::live::rfc3339_millis;
use crate::store::{Store, batches, progress};

use super::callers::Viewer;
use super::errors::ApiError;
use super::state::ApiState;
use super::summary::integer;

/// The collection of the agents' reports.
pub const COLLECTION: &str = "agents";
/// An agent that was not heard of for so long is silent; it reports every few seconds.
const SILENT_AFTER_MILLIS: i64 = 15_000;
/// An agent whose oldest buffered reading is older than this is catching up.
const BEHIND_AFTER_MILLIS: i64 = 10_000;

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Fleet {
    agents: Vec<AgentView>,
}

/// An agent as REST and WebSocket show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentView {
    agent: String,
    version: String,
    epoch: String,
    last_seen: String,
    seconds_since_seen: f64,
    pub(super) state: AgentState,
    behind_ms: i64,
    pub(super) counts: RecordCounts,
    hub: HubCounts,
    balanced: bool,
    pub(super) buffer_bytes: u64,
    buffer_quota_bytes: u64,
    pub(super) received_per_second: f64,
    stored_per_second: f64,
    drain_seconds: Option<f64>,
    faults: Vec<String>,
    missing: Vec<MissingView>,
    #[serde(skip)]
    pub(super) lost: u64,
    #[serde(skip)]
    pub(super) counted_twice: u64,
}

/// A span of which readings were lost at the gateway.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct MissingView {
    from: String,
    to: String,
    readings: u64,
    reason: GapReason,
}

impl From<MissingSpan> for MissingView {
    fn from(span: MissingSpan) -> Self {
        let MissingSpan { from, to, readings, reason } = span;
        Self { from: rfc3339_millis(from.0 / 1000), to: rfc3339_millis(to.0 / 1000), readings, reason }
    }
}

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It reports and is up to date.
    Live,
    /// It reports and has a backlog.
    CatchingUp,
    /// It was not heard of for 15 s.
    Silent,
}

/// What the hub has of an agent's buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct HubCounts {
    /// Readings that stand in the ledger only.
    ledger_readings: u64,
    /// Readings that are stored and rolled up.
    applied_readings: u64,
}

impl std::iter::Sum for HubCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, counts| Self {
            ledger_readings: sum.ledger_readings + counts.ledger_readings,
            applied_readings: sum.applied_readings + counts.applied_readings,
        })
    }
}

impl AgentView {
    pub(super) fn name(&self) -> &str {
        &self.agent
    }

    pub(super) const fn is_balanced(&self) -> bool {
        self.balanced
    }
}

/// Answers the fleet, by name.
pub(super) async fn get(_: Viewer, State(state): State<ApiState>) -> Result<Json<Fleet>, ApiError> {
    Ok(Json(Fleet { agents: fleet(state.store(), None).await? }))
}

/// Returns every agent that ever reported, by name; or only one of them.
///
/// # Errors
/// When the database fails.
pub async fn fleet(store: &Store, only: Option<&str>) -> Result<Vec<AgentView>, ApiError> {
    let wanted = only.map_or_else(Document::new, |agent| doc! { "_id": agent });
    let with_age = [
        doc! { "$match": wanted },
        doc! { "$sort": { "_id": 1 } },
        doc! { "$set": { "silentMs": { "$subtract": ["$$NOW", "$seenAt"] } } },
    ];
    let found: Vec<Document> = store.collection(COLLECTION).aggregate(with_age).await?.try_collect().await?;
    let reports: Vec<(AgentReport, i64, i64)> = found.into_iter().filter_map(read_report).collect();
    let books: Vec<[String; 2]> = reports.iter().map(|(report, ..)| books_of(report)).collect();
    let hub = hub_counts(store, only, books.as_flattened()).await?;
    let views = reports.into_iter().zip(books).map(|((report, seen_at, silent_ms), books)| {
        let of_both_lanes = books.iter().filter_map(|book| hub.get(book).copied()).sum();
        view(report, of_both_lanes, seen_at, silent_ms)
    });
    Ok(views.collect())
}

/// Returns the fleet, or one agent of it, as the live stage pushes it.
///
/// # Errors
/// With a message for the log when the database fails.
pub async fn rendered(store: Store, agent: Option<String>) -> Result<Vec<serde_json::Value>, String> {
    let fleet = fleet(&store, agent.as_deref()).await.map_err(|error| error.to_string())?;
    fleet.iter().map(|view| serde_json::to_value(view).map_err(|error| error.to_string())).collect()
}

/// Reads a report, when it arrived, and how long ago that was. One of another version is left out.
fn read_report(mut agent: Document) -> Option<(AgentReport, i64, i64)> {
    let seen_at = agent.get_datetime("seenAt").ok()?.timestamp_millis();
    let silent_ms = integer(&agent, "silentMs");
    Some((bson::from_bson(agent.remove("report")?).ok()?, seen_at, silent_ms))
}

/// Names the books of an agent's buffer, one for each of its lanes, as the collection `progress` does.
fn books_of(report: &AgentReport) -> [String; 2] {
    let AgentReport { agent, epoch, .. } = report;
    let other_lane = epoch.parse::<Epoch>().map(|epoch| epoch.other_lane().to_string());
    [format!("{agent}/{epoch}"), format!("{agent}/{}", other_lane.unwrap_or_default())]
}

/// Returns what the hub has of each of these books; all of one agent, or of many.
async fn hub_counts(
    store: &Store,
    only: Option<&str>,
    books: &[String],
) -> Result<HashMap<String, HubCounts>, ApiError> {
    let mut counts: HashMap<String, HubCounts> = HashMap::new();
    let mut unapplied = doc! { "applied": false };
    unapplied.extend(only.map(|agent| ("agent".to_owned(), agent.into())));
    let in_ledger = [
        doc! { "$match": unapplied },
        doc! { "$group": {
            "_id": { "$concat": ["$agent", "/", "$epoch"] }, "readings": { "$sum": "$readings" },
        } },
    ];
    let mut waiting = store.collection(batches::COLLECTION).aggregate(in_ledger).await?;
    while let Some(group) = waiting.try_next().await? {
        let book = group.get_str("_id").unwrap_or_default().to_owned();
        counts.entry(book).or_default().ledger_readings = integer(&group, "readings").unsigned_abs();
    }
    let mut applied = store.collection(progress::COLLECTION).find(doc! { "_id": { "$in": books } }).await?;
    while let Some(watermark) = applied.try_next().await? {
        let book = watermark.get_str("_id").unwrap_or_default().to_owned();
        counts.entry(book).or_default().applied_readings =
            integer(&watermark, "appliedReadings").unsigned_abs();
    }
    Ok(counts)
}

fn view(report: AgentReport, hub: HubCounts, seen_at: i64, silent_ms: i64) -> AgentView {
    let is_silent = silent_ms > SILENT_AFTER_MILLIS;
    // Both times are the gateway's, so that its clock may be wrong; while it is silent the backlog ages on.
    let behind_at_report = report.oldest_buffered_at.map(|oldest| (report.time.0 - oldest.0).max(0) / 1000);
    let behind_ms = behind_at_report.map_or(0, |behind| if is_silent { behind + silent_ms } else { behind });
    let state = match (is_silent, behind_ms > BEHIND_AFTER_MILLIS) {
        (true, _) => AgentState::Silent,
        (false, true) => AgentState::CatchingUp,
        (false, false) => AgentState::Live,
    };
    let (lost, counted_twice) = differences(&report, hub);
    let drain_seconds = drain_seconds(&report).filter(|_| !is_silent);
    AgentView {
        agent: report.agent.to_string(),
        version: report.version,
        epoch: report.epoch,
        last_seen: rfc3339_millis(seen_at),
        seconds_since_seen: silent_ms.max(0) as f64 / 1000.0,
        state,
        behind_ms,
        counts: report.counts,
        hub,
        balanced: report.counts.is_balanced() && lost == 0 && counted_twice == 0,
        buffer_bytes: report.buffer_bytes,
        buffer_quota_bytes: report.buffer_quota_bytes,
        received_per_second: if is_silent { 0.0 } else { report.received_per_second },
        stored_per_second: if is_silent { 0.0 } else { report.stored_per_second },
        drain_seconds,
        faults: report.faults,
        missing: report.missing.into_iter().map(MissingView::from).collect(),
        lost,
        counted_twice,
    }
}

/// Returns how many readings the hub lacks, and how many it has too many.
///
/// What the agent calls stored the hub must have, at any time. It may have more while an answer is on its way; only
/// of an agent at rest, whose batches are all applied, the sums must be the same.
fn differences(report: &AgentReport, hub: HubCounts) -> (u64, u64) {
    let has = hub.applied_readings + hub.ledger_readings;
    let lost = report.counts.stored.saturating_sub(has);
    let is_at_rest = report.counts.buffered == 0
        && report.received_per_second == 0.0
        && report.stored_per_second == 0.0
        && hub.ledger_readings == 0;
    (lost, if is_at_rest { has.saturating_sub(report.counts.stored) } else { 0 })
}

/// Returns how long the backlog will take at the present pace; none when it does not shrink.
fn drain_seconds(report: &AgentReport) -> Option<f64> {
    let pace = report.stored_per_second - report.received_per_second;
    (report.counts.buffered > 0 && pace > 0.0).then(|| report.counts.buffered as f64 / pace)
}

#[cfg(test)]
mod tests {
    use penstock_shared::id::AgentId;
    use penstock_shared::reading::TimestampMicros;

    use super::*;

    fn report(stored: u64, buffered: u64, per_second: f64) -> AgentReport {
        AgentReport {
            agent: AgentId::new("gw1").expect("an id"),
            version: "0.1.0".to_owned(),
            epoch: "00000000000000ab".to_owned(),
            time: TimestampMicros(100_000_000),
            started_at: TimestampMicros(0),
            counts: RecordCounts { received: stored + buffered, stored, buffered, ..RecordCounts::default() },
            buffer_bytes: 0,
            buffer_quota_bytes: 1,
            oldest_buffered_at: (buffered > 0).then_some(TimestampMicros(70_000_000)),
            received_per_second: per_second,
            stored_per_second: 3.0 * per_second,
            faults: Vec::new(),
            missing: Vec::new(),
        }
    }

    fn hub(ledger_readings: u64, applied_readings: u64) -> HubCounts {
        HubCounts { ledger_readings, applied_readings }
    }

    #[test]
    fn what_the_agent_calls_stored_and_the_hub_lacks_is_lost() {
        let shown = view(report(100, 0, 5.0), hub(20, 70), 0, 0);
        assert_eq!((shown.lost, shown.balanced), (10, false));
        assert!(view(report(100, 0, 5.0), hub(20, 80), 0, 0).balanced);
    }

    #[test]
    fn more_at_the_hub_is_an_answer_under_way_until_the_agent_rests() {
        assert!(view(report(100, 0, 5.0), hub(0, 110), 0, 0).balanced);
        let resting = view(report(100, 0, 0.0), hub(0, 110), 0, 0);
        assert_eq!((resting.counted_twice, resting.balanced), (10, false));
    }

    #[test]
    fn a_backlog_is_catching_up_and_says_how_long_it_takes() {
        let shown = view(report(100, 50, 5.0), hub(0, 100), 0, 1_000);
        assert_eq!((shown.state, shown.behind_ms), (AgentState::CatchingUp, 30_000));
        assert_eq!(shown.drain_seconds, Some(5.0));
    }

    #[test]
    fn an_agent_that_was_not_heard_of_is_silent_and_its_backlog_ages() {
        let shown = view(report(100, 50, 5.0), hub(0, 100), 0, 20_000);
        assert_eq!((shown.state, shown.behind_ms), (AgentState::Silent, 50_000));
        assert_eq!((shown.received_per_second, shown.drain_seconds), (0.0, None));
    }
}
