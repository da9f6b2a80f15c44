//! The agent's back door for its operator: a Unix socket beside the buffer, one JSON line a request, one or more back.
//!
//! ```text
//! penstock-agent status|tap|top|… ─Client─▶ control.sock ─Server─▶ Observer, Tap, Buffer
//! ```
//!
//! Who may write into the buffer's directory may use it; nothing is asked over the network. Connections, requests and
//! answers are bounded, and each connection is served by itself, so that a slow one holds nobody up.

mod client;
mod message;
mod server;
mod socket;

pub use client::{Client, ControlError, connect, owner_of};
pub use message::{Answer, Request, TapWish};
pub use server::{Controlled, Server};
pub use socket::SOCKET_FILE;
