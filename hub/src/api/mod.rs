//! The HTTP surface: one file a route, what they share beside them.
//!
//! ```text
//! serve ─▶ gate (who calls, how often, how long) ─▶ route ─▶ errors (status codes)
//! ```
//!
//! Routes read MongoDB and say what they find, or hand what arrives to ingest; themselves they write nothing but agents'
//! reports, sessions, and the tokens of gateways that join.

pub mod agents;
pub mod application_events;
pub mod errors;
pub mod serve;

mod batches;
mod callers;
mod events;
mod gate;
mod headers;
mod health;
mod join;
mod live;
mod metrics;
mod openapi;
mod params;
mod prometheus;
mod report;
mod series;
mod session;
mod state;
mod status;
mod summary;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware;
use axum::routing::{any, get, post};

pub use callers::{Admin, AgentCaller, Caller, Viewer, Writer};
pub use errors::ApiError;
pub use state::{ApiState, Stages};

use crate::config::Settings;
use crate::dashboard;

/// Puts the routes together.
pub fn router(state: ApiState) -> Router {
    let limits = &state.settings().limits;
    Router::new()
        .merge(routes(state.settings()))
        .fallback(dashboard::serve)
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(limits.max_body_bytes))
        .layer(middleware::from_fn_with_state(state.clone(), gate::pass))
        .layer(middleware::from_fn(headers::protect))
        .with_state(state)
}

fn routes(settings: &Settings) -> Router<ApiState> {
    let frames_limit = DefaultBodyLimit::max(settings.ingest.max_request_bytes);
    Router::new()
        .route("/health", get(health::get))
        .route("/metrics", get(prometheus::get))
        .route("/api/v1/openapi.json", get(openapi::get))
        .route("/api/v1/session", post(session::post).delete(session::delete))
        .route("/api/v1/join", post(join::post))
        .route("/api/v1/batches", post(batches::post).layer(frames_limit))
        .route("/api/v1/agents/report", post(report::post))
        .route("/api/v1/agents", get(agents::get))
        .route("/api/v1/status", get(status::get))
        .route("/api/v1/summary", get(summary::get))
        .route("/api/v1/metrics/{type}", get(metrics::get))
        .route("/api/v1/series", get(series::get))
        .route("/api/v1/events", get(events::get).post(application_events::post))
        .route("/api/v1/live", get(live::get))
        .route("/api/{*rest}", any(unknown))
}

async fn unknown(uri: Uri) -> ApiError {
    ApiError::NotFound(format!("there is nothing at {}", uri.path()))
}
