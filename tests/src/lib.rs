//! Worlds of real processes, and what is needed to check promises in them.
//!
//! ```text
//! device ──MQTT──▶ world::Agent ──▶ world::Link ──▶ world::Hub ──▶ world::Mongod
//!   │ remembers what was acknowledged  (cuttable)       │ rest, live
//!   └───────────────────────▶ recount ◀─────────────────┘ compares it with what is stored, rolled up and pushed
//! ```
//!
//! Everything listens on free loopback ports and lives in temporary directories. A world's processes die with it.
//! This crate drives the programs from outside: it must not know agent or hub, only what `penstock_shared` says of
//! the wire.

pub mod chance;
pub mod eventually;
pub mod skip;

pub mod world;

pub mod device;
pub mod power;

pub mod frames;

pub mod live;
pub mod rest;

pub mod recount;

pub mod plant;
