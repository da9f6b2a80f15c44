//! What the listener turned away, counted for the operator.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the listener started.
#[derive(Debug, Default)]
pub struct ListenerCounters {
    refused: AtomicU64,
    oversized: AtomicU64,
    faulty: AtomicU64,
    tls_refused: AtomicU64,
}

impl ListenerCounters {
    /// Returns how many CONNECTs were refused, for their password or the limit of connections.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns how many connections were closed for a packet above the limit.
    #[must_use]
    pub fn oversized(&self) -> u64 {
        self.oversized.load(Ordering::Relaxed)
    }

    /// Returns how many connections were closed for another fault of the protocol.
    #[must_use]
    pub fn faulty(&self) -> u64 {
        self.faulty.load(Ordering::Relaxed)
    }

    /// Returns how many connections to the TLS port failed before MQTT.
    #[must_use]
    pub fn tls_refused(&self) -> u64 {
        self.tls_refused.load(Ordering::Relaxed)
    }

    pub(super) fn count_refused(&self) -> u64 {
        self.refused.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn count_tls_refused(&self) -> u64 {
        self.tls_refused.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn count_oversized(&self) -> u64 {
        self.oversized.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn count_faulty(&self) -> u64 {
        self.faulty.fetch_add(1, Ordering::Relaxed) + 1
    }
}
