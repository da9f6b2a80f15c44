//! `POST /api/v1/agents/report`: what an agent says of itself, kept as the fleet's state.

use axum::extract::State;
use axum::http::StatusCode;
use mongodb::bson::{self, doc};
use penstock_shared::id::Epoch;
use penstock_shared::report::{AgentReport, MAX_MISSING};

use super::agents::COLLECTION;
use super::callers::AgentCaller;
use super::errors::ApiError;
use super::params::Body;
use super::state::ApiState;

/// The longest version.
const MAX_VERSION_BYTES: usize = 64;
/// The most faults, and the longest one.
const MAX_FAULTS: usize = 32;
const MAX_FAULT_BYTES: usize = 1_024;

/// Replaces the agent's last report.
pub(super) async fn post(
    caller: AgentCaller,
    State(state): State<ApiState>,
    Body(report): Body<AgentReport>,
) -> Result<StatusCode, ApiError> {
    caller.must_be(&report.agent)?;
    validate(&report)?;
    let document = bson::to_document(&report).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    // `$$NOW` is the database's clock: the same for all hubs, and for the question how long ago that was.
    let update = vec![doc! { "$set": { "report": { "$literal": document }, "seenAt": "$$NOW" } }];
    let agents = state.store().database().collection::<bson::Document>(COLLECTION);
    agents.update_one(doc! { "_id": report.agent.as_str() }, update).upsert(true).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn validate(report: &AgentReport) -> Result<(), ApiError> {
    let fits = report.version.len() <= MAX_VERSION_BYTES
        && report.epoch.parse::<Epoch>().is_ok_and(|epoch| epoch.to_string() == report.epoch)
        && report.faults.len() <= MAX_FAULTS
        && report.missing.len() <= MAX_MISSING
        && report.faults.iter().all(|fault| fault.len() <= MAX_FAULT_BYTES);
    if fits {
        Ok(())
    } else {
        Err(ApiError::BadRequest("version, epoch, faults or missing are not in order".to_owned()))
    }
}
