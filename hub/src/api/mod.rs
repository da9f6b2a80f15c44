//! The HTTP surface: one file a route, what they share beside them.
//!
//! ```text
//! serve ─▶ gate (who calls, how often, how long) ─▶ route ─▶ errors (status codes)
//! ```
//!
//! Routes read MongoDB and say what they find; they write nothing but agents' reports and sessions.

pub mod errors;
pub mod serve;

mod callers;
mod gate;
mod headers;
mod health;
mod state;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;

pub use callers::{Admin, AgentCaller, Caller, Viewer, Writer};
pub use errors::ApiError;
pub use state::ApiState;

use crate::dashboard;

/// Puts the routes together. `stages` are the routes of other stages, such as the WebSocket.
pub fn router(state: ApiState, stages: Router<ApiState>) -> Router {
    let limits = &state.settings().limits;
    Router::new()
        .merge(routes())
        .merge(stages)
        .fallback(dashboard::serve)
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(limits.max_body_bytes))
        .layer(middleware::from_fn_with_state(state.clone(), gate::pass))
        .layer(middleware::from_fn(headers::protect))
        .with_state(state)
}

fn routes() -> Router<ApiState> {
    Router::new().route("/health", get(health::get))
}
