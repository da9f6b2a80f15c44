//! What the listener took in and what it turned away, counted for the operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::source::IntakeCounters;

/// Counts since the listener started.
#[derive(Debug, Default)]
pub struct ListenerCounters {
    refused: AtomicU64,
    oversized: AtomicU64,
    faulty: AtomicU64,
    tls_refused: AtomicU64,
    intake: Arc<IntakeCounters>,
}

impl ListenerCounters {
    /// Returns all counts with their names in the status.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(&'static str, u64)> {
        let mut pairs = self.intake.to_pairs();
        pairs.extend([
            ("refused", self.refused()),
            ("tlsRefused", self.tls_refused()),
            ("oversized", self.oversized()),
            ("faulty", self.faulty()),
        ]);
        pairs
    }

    pub(super) fn intake(&self) -> Arc<IntakeCounters> {
        Arc::clone(&self.intake)
    }

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
