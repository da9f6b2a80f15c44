//! TLS for MQTT, both ways: to a broker, and for devices that come to the listener.
//!
//! ```text
//! PEM files ─▶ authorities, identity ─▶ rustls configuration ─▶ handshake
//!                 └─▶ FileFault, which names the file     └─▶ refusal, in an operator's words
//! ```
//!
//! Files are read anew wherever a configuration is made, so that a renewed certificate needs no restart. Nothing is
//! resumed: each connection is judged by the certificate that it shows. This module opens no connection.

mod client;
mod files;
mod refusal;
mod renewal;
mod server;

#[cfg(test)]
pub(crate) mod authority;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use client::{ClientTls, system_authorities};
pub use files::{Cause, FileFault, IdentityFiles, join, read_authorities, read_chain, read_key};
pub use refusal::{Peer, explain, explain_handshake, explain_tls};
pub use renewal::Renewing;
pub use server::{ClientAuthority, ServerTls};

/// Ring, as everywhere here: it needs no C compiler for a foreign processor.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests;
