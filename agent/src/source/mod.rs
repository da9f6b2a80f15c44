//! Where readings come from. Every source decodes what it hears, submits it to the committer and acknowledges it to
//! its device only when the committer says that it is on disk.
//!
//! ```text
//! device ──▶ source ──▶ Intake (decode) ──▶ CommitHandle
//!    ▲                                          │ done
//!    └──────────── acknowledgement ◀────────────┘
//! ```
//!
//! A source without topics, such as a serial port, names its values itself and holds them in an [`Outlet`] until they
//! are on disk.
//!
//! This module must not know how commits are stored.

pub mod command;
pub mod device;
mod intake;
pub mod modbus;
pub mod mqtt_client;
pub mod mqtt_listener;
mod outlet;
mod port;
pub mod serial;
mod task;

pub use intake::{Intake, IntakeCounters};
pub use outlet::Outlet;
pub(crate) use port::port_state;
pub use task::SourceTask;
