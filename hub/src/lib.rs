//! The centre's half of Penstock: from an agent's frame to a line on a screen.
//!
//! ```text
//! agent ──frames──▶ ingest ─▶ ledger (`batches`, majority) ─▶ processor ─▶ events_ts
//!            ▲ have through                                      └──▶ rollups ─▶ metrics_preagg
//!                                                                                    │ change stream
//! browser ◀──WebSocket── live ◀──────────────────────────────────────────────────────┘
//!         ◀──REST─────── api
//! ```

pub mod config;

pub mod telemetry;

pub mod mongod;

pub mod store;

pub mod access;

pub mod ingest;

mod unpack;

pub mod processor;

pub mod rollup;

pub mod live;

pub mod api;

pub mod dashboard;

pub mod run;
