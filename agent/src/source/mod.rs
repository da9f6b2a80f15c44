//! Where readings come from. Every source decodes what it hears, submits it to the committer and acknowledges it to
//! its device only when the committer says that it is on disk.
//!
//! ```text
//! device ──▶ source ──▶ Intake (decode) ──▶ CommitHandle
//!    ▲                                          │ done
//!    └──────────── acknowledgement ◀────────────┘
//! ```
//!
//! This module must not know how commits are stored.

mod intake;
pub mod mqtt_client;
pub mod mqtt_listener;

pub use intake::Intake;
