//! `POST /api/v1/batches`: frames of agents, each behind its length, into the ledger.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use penstock_shared::answer::{BatchesAnswer, FRAMES_CONTENT_TYPE, FrameAnswer};
use penstock_shared::frame;
use penstock_shared::id::AgentId;
use serde::Deserialize;

use crate::ingest::application::APPLICATION_PREFIX;
use crate::telemetry::Telemetry;

use super::callers::AgentCaller;
use super::errors::ApiError;
use super::params::Params;
use super::state::ApiState;

/// How many bytes a frame's length takes.
const LENGTH_BYTES: usize = 4;

/// The query.
#[derive(Debug, Deserialize)]
pub(super) struct BatchesParams {
    /// Whether the frames are of a backlog that live data overtakes.
    #[serde(default)]
    backlog: bool,
}

/// Answers the fate of each frame.
pub(super) async fn post(
    caller: AgentCaller,
    State(state): State<ApiState>,
    Params(params): Params<BatchesParams>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<BatchesAnswer>, ApiError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type != Some(FRAMES_CONTENT_TYPE) {
        return Err(ApiError::UnsupportedMediaType(format!(
            "the content type must be {FRAMES_CONTENT_TYPE}"
        )));
    }
    let frames = split(&body, state.settings().ingest.max_frame_bytes)?;
    let agent = speaker(&caller, &frames)?;
    if agent.as_str().starts_with(APPLICATION_PREFIX) {
        return Err(ApiError::Forbidden(format!(
            "ids that begin with {APPLICATION_PREFIX} are not for agents"
        )));
    }
    let bytes = body.len();
    let answers = state.ingest().frames(&agent, frames).await.inspect_err(|_| {
        state.telemetry().requests_held_back.increment();
    })?;
    count(state.telemetry(), &answers, bytes);
    let backlog = Some(state.ingest().grant(&agent, params.backlog));
    Ok(Json(BatchesAnswer { answers, backlog }))
}

/// Cuts the body into frames.
fn split(body: &[u8], max_frame_bytes: usize) -> Result<Vec<Vec<u8>>, ApiError> {
    let mut frames = Vec::new();
    let mut rest = body;
    while let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>() {
        let length = u32::from_le_bytes(*length) as usize;
        if length > max_frame_bytes {
            return Err(ApiError::TooLarge(format!(
                "a frame has at most {max_frame_bytes} bytes, not {length}"
            )));
        }
        let Some((frame, after)) = after.split_at_checked(length) else {
            return Err(ApiError::BadRequest("the body ends inside a frame".to_owned()));
        };
        frames.push(frame.to_vec());
        rest = after;
    }
    match (rest.is_empty(), frames.is_empty()) {
        (false, _) => Err(ApiError::BadRequest("the body ends inside a frame's length".to_owned())),
        (true, true) => Err(ApiError::BadRequest("the body has no frame".to_owned())),
        (true, false) => Ok(frames),
    }
}

/// Returns whose frames these are: the token's agent, or without tokens in use the one that the first frame names.
///
/// A token of another agent is a fault of the configuration, not of the frame: the gateway keeps it and tries again.
fn speaker(caller: &AgentCaller, frames: &[Vec<u8>]) -> Result<AgentId, ApiError> {
    let named = frames.first().and_then(|frame| frame::read_header(frame).ok());
    if let Some(agent) = caller.agent() {
        return match named {
            Some(header) if header.agent != *agent => Err(ApiError::Forbidden(format!(
                "the token is of agent {agent}, the frame of {}",
                header.agent
            ))),
            _ => Ok(agent.clone()),
        };
    }
    match named {
        Some(header) => Ok(header.agent),
        // The frame is refused below for what is wrong with it, whoever sent it.
        None => AgentId::new("unknown").map_err(|error| ApiError::Internal(error.to_string())),
    }
}

fn count(telemetry: &Telemetry, answers: &[FrameAnswer], bytes: usize) {
    telemetry.frame_bytes.add(bytes as u64);
    for answer in answers {
        let counter = match answer {
            FrameAnswer::Have { .. } => &telemetry.frames_confirmed,
            FrameAnswer::Gap { .. } => &telemetry.frames_gapped,
            FrameAnswer::Refused { .. } => &telemetry.frames_refused,
            FrameAnswer::Skipped => &telemetry.frames_skipped,
        };
        counter.increment();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(frames: &[&[u8]]) -> Vec<u8> {
        let framed =
            frames.iter().flat_map(|frame| [&(frame.len() as u32).to_le_bytes()[..], frame].concat());
        framed.collect()
    }

    #[test]
    fn a_body_is_cut_where_its_lengths_say() {
        let frames = split(&body(&[b"one", b"", b"three"]), 10).expect("whole");
        assert_eq!(frames, [b"one".to_vec(), Vec::new(), b"three".to_vec()]);
    }

    #[test]
    fn a_body_that_is_cut_off_or_too_large_is_refused() {
        let whole = body(&[b"one", b"three"]);
        for length in [1, 5, whole.len() - 1] {
            assert!(matches!(split(&whole[..length], 10), Err(ApiError::BadRequest(_))), "{length}");
        }
        assert!(matches!(split(&whole, 4), Err(ApiError::TooLarge(_))));
        assert!(matches!(split(&u32::MAX.to_le_bytes(), 10), Err(ApiError::TooLarge(_))));
        assert!(matches!(split(&[], 10), Err(ApiError::BadRequest(_))));
    }
}
