//! `GET /health`: whether this hub does its work, for load balancers and supervisors.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mongodb::bson::doc;
use serde_json::json;

use super::state::ApiState;

/// How long the database may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Answers 200, or 503 when the database is silent or the processor has fallen too far behind.
pub(super) async fn get(State(state): State<ApiState>) -> Response {
    let database = state.store().database().clone();
    // Spawned, so that the timeout does not drop a database call half-way.
    let ping = tokio::spawn(async move { database.run_command(doc! { "ping": 1 }).await });
    let database_answers = matches!(tokio::time::timeout(PING_TIMEOUT, ping).await, Ok(Ok(Ok(_))));
    let lag_ms = state.processing_lag_ms();
    let max_lag_ms = i64::try_from(state.settings().ingest.max_lag.as_millis()).unwrap_or(i64::MAX);
    let (status, word) = match (database_answers, lag_ms <= max_lag_ms) {
        (true, true) => (StatusCode::OK, "ok"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer"),
        (true, false) => (StatusCode::SERVICE_UNAVAILABLE, "the processor has fallen behind"),
    };
    (status, Json(json!({ "status": word, "processingLagMs": lag_ms }))).into_response()
}
