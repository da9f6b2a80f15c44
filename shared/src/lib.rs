//! The words that agent and hub share; neither knows the other, both know this.
//!
//! ```text
//! Reading ─▶ Commit ─▶ Batch ─▶ Frame (bytes) ──HTTP──▶ FrameAnswer      gateway to centre
//!                                                       LiveMessage      centre to browser
//! ```
//!
//! This crate has no I/O. serde types stand here because this *is* the wire.

pub mod id;
pub mod reading;

pub mod batch;
pub mod frame;

pub mod answer;
pub mod backoff;
pub mod join;
pub mod report;

pub mod live;
pub mod metrics;
