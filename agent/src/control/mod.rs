//! The agent's back door for its operator: a Unix socket beside the buffer, one JSON line a request, one or more back.
//!
//! ```text
//! penstock-agent status|tap|top|… ─Client─▶ control.sock ─Server─▶ Observer, Tap, Buffer
//! ```
//!
//! Who may write into the buffer's directory may use it; nothing is asked over the network. Connections, requests and
//! answers are bounded, and each connection is served by itself, so that a slow one holds nobody up.

mod answer;
mod client;
mod door;
mod message;
mod server;
mod socket;

pub use answer::answer;
pub use client::{Client, ControlError, connect, is_in_use, owner_of};
pub use door::{Door, open};
pub use message::{Answer, KeptCommit, LetterSummary, Request, SentReading, TapWish};
pub use server::{Controlled, Server};
pub use socket::SOCKET_FILE;
