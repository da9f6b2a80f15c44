//! `GET /api/v1/status`: the whole system in a few figures.

use axum::Json;
use axum::extract::State;
use penstock_shared::reading::TimestampMicros;
use serde::Serialize;

use crate::store::series;

use super::agents::{AgentState, AgentView, fleet};
use super::callers::Viewer;
use super::errors::ApiError;
use super::state::ApiState;
use super::summary::recent_sums;

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    arriving_per_second: f64,
    /// Numbers only: texts and switches have no rollups.
    stored_last_day: i64,
    books: Books,
    publish_to_push_ms: PublishToPush,
    buffered_bytes: u64,
    buffered_readings: u64,
    processing_lag_ms: i64,
    version: &'static str,
    mqtt_hint: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Books {
    checked: usize,
    balanced: bool,
    unbalanced_agents: Vec<String>,
    lost: u64,
    counted_twice: u64,
}

/// Of the readings that this hub pushed in the last one to two minutes.
#[derive(Debug, Serialize)]
struct PublishToPush {
    p50: Option<f64>,
    p99: Option<f64>,
}

/// Answers the figures.
pub(super) async fn get(_: Viewer, State(state): State<ApiState>) -> Result<Json<Status>, ApiError> {
    let agents = fleet(state.store(), None).await?;
    let types = state.store().collection(series::COLLECTION).distinct("type", mongodb::bson::doc! {}).await?;
    let types: Vec<&str> = types.iter().filter_map(|name| name.as_str()).collect();
    let sums = recent_sums(state.store(), &types, TimestampMicros::now()).await?;
    let publish_to_push = &state.telemetry().publish_to_push;
    let reporting = agents.iter().filter(|agent| agent.state != AgentState::Silent);
    Ok(Json(Status {
        arriving_per_second: reporting.fold(0.0, |sum, agent| sum + agent.received_per_second),
        stored_last_day: sums.values().map(|sums| sums.last_day.count).sum(),
        books: Books::of(&agents),
        publish_to_push_ms: PublishToPush {
            p50: publish_to_push.quantile_ms(0.50),
            p99: publish_to_push.quantile_ms(0.99),
        },
        buffered_bytes: agents.iter().map(|agent| agent.buffer_bytes).sum(),
        buffered_readings: agents.iter().map(|agent| agent.counts.buffered).sum(),
        processing_lag_ms: state.processing_lag_ms(),
        version: env!("CARGO_PKG_VERSION"),
        mqtt_hint: state.settings().dashboard.mqtt_hint.clone(),
    }))
}

impl Books {
    fn of(agents: &[AgentView]) -> Self {
        let unbalanced = agents.iter().filter(|agent| !agent.is_balanced());
        let unbalanced_agents: Vec<String> = unbalanced.map(|agent| agent.name().to_owned()).collect();
        Self {
            checked: agents.len(),
            balanced: unbalanced_agents.is_empty(),
            unbalanced_agents,
            lost: agents.iter().map(|agent| agent.lost).sum(),
            counted_twice: agents.iter().map(|agent| agent.counted_twice).sum(),
        }
    }
}
