//! The gateway's half of Penstock: a reading's way from the wire to the hub's ledger.
//!
//! ```text
//! source ─▶ decode ─▶ Delivery ─▶ committer (edge) ─▶ buffer (sled, fsync) ─▶ forward ──HTTP──▶ hub
//!    ▲                                 │ done, after the fsync                   │ trims the buffer
//!    └────────── PUBACK ◀──────────────┘                                         ▼ when the hub has it
//! ```

pub mod config;

pub mod tls;

pub mod source;

pub mod decode;

pub mod delivery;

pub mod edge;

pub mod clock;

pub mod tap;

pub mod committer;

mod allowance;

pub mod wear;

pub mod buffer;

pub mod forward;

pub mod status;

pub mod second_reading;

pub mod control;

pub mod service;

pub mod run;

pub mod sample;

pub mod check;

pub mod join;
