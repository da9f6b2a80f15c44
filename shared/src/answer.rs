//! What the hub answers to frames, and the media types they travel under.
//!
//! `POST /api/v1/batches` takes one or more frames, each behind its length as four little-endian bytes, and answers
//! 200 with a [`BatchesAnswer`] as soon as every frame's fate is known. 401 and 403 speak of the token, 413 of the
//! size, 429 and 503 (with `Retry-After` in seconds) ask to come back later.

use serde::{Deserialize, Serialize};

use crate::id::CommitNumber;

/// The content type of a request body of frames.
pub const FRAMES_CONTENT_TYPE: &str = "application/vnd.penstock.frames";
/// The query parameter of a request whose frames are of a backlog: `backlog=true`.
pub const BACKLOG_PARAMETER: &str = "backlog";
/// The most bytes that one frame may have on the wire.
pub const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes that a request of frames may have.
pub const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// The fate of each frame of a request, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchesAnswer {
    /// One entry a frame.
    pub answers: Vec<FrameAnswer>,
    /// How fast a backlog may follow beside live data; none from a hub that does not know of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<BacklogGrant>,
}

/// What the hub grants an agent that drains a backlog while its live data overtakes it. It holds until the next answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BacklogGrant {
    /// Readings a second, at least 1.
    pub readings_per_second: u32,
}

/// What became of one frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum FrameAnswer {
    /// The ledger has it, majority-committed; or had it already. The agent trims through `have_through`.
    Have {
        /// The last commit that the hub has of this agent and epoch.
        have_through: CommitNumber,
    },
    /// The frame does not follow what the hub has; the agent packs anew from `have_through` + 1.
    Gap {
        /// The last commit that the hub has of this agent and epoch; 0 when it has none.
        have_through: CommitNumber,
    },
    /// The frame can never be accepted; the agent dead-letters it and goes on.
    Refused {
        /// A sentence for the operator.
        reason: String,
    },
    /// The frame was not looked at, because the one before it was not stored.
    Skipped,
}
