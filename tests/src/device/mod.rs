//! Devices: MQTT 3.1.1 publishers that remember what was acknowledged.
//!
//! Written on the bare socket: a client library would be the slowest part of the benchmark, and would send again by
//! itself what a test must count itself.

mod packet;
mod publisher;
mod sensors;
mod subscriber;

pub use publisher::{Message, Pace, Progress, Publisher};
pub use sensors::{Record, Sensor, Sensors};
pub use subscriber::Subscriber;
