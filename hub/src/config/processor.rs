//! `[processor]`: how the ledger becomes readings and rollups.

use std::time::Duration;

use super::document::Document;

/// The settings of the processor.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessorSettings {
    /// How long a partition stays with a hub that no longer answers.
    pub lease: Duration,
    /// The most readings that are applied at once.
    pub group_readings: u32,
    /// How long an applied batch stays in the ledger.
    pub ledger_grace: Duration,
}

impl ProcessorSettings {
    pub(super) fn read(document: &mut Document) -> Self {
        let mut section = document.section("processor");
        let grace_hours = section.number("ledger_grace_hours", 24, 1..=8_760_u64);
        Self {
            lease: section.seconds("lease_seconds", 15, 2..=600),
            group_readings: section.number("group_readings", 80_000, 100..=200_000),
            ledger_grace: Duration::from_secs(grace_hours * 3600),
        }
    }
}
