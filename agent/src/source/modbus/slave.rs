//! A slave as the bus knows it: its requests, and those that it refuses.

use tokio_modbus::ExceptionCode;

use super::plan::{Block, plan};
use crate::config::modbus::{RegisterSettings, SlaveSettings};

pub(super) struct Slave {
    pub(super) name: String,
    pub(super) unit: u8,
    pub(super) registers: Vec<RegisterSettings>,
    pub(super) requests: Vec<PlannedRequest>,
}

pub(super) struct PlannedRequest {
    pub(super) block: Block,
    /// Whether it was said that the slave refuses it.
    told: bool,
}

impl Slave {
    pub(super) fn new(settings: SlaveSettings) -> Self {
        let requests = plan(&settings.registers).into_iter().map(PlannedRequest::new).collect();
        Self { name: settings.name, unit: settings.unit, registers: settings.registers, requests }
    }

    /// Takes note that a request was refused. One that asks for what the slave does not have is split, so that the
    /// others of its registers are read; one that cannot be split is named once.
    pub(super) fn refused(&mut self, bus: &str, index: usize, code: ExceptionCode) {
        let Some(request) = self.requests.get_mut(index) else { return };
        let may_split = matches!(code, ExceptionCode::IllegalDataAddress | ExceptionCode::IllegalDataValue);
        if let Some(blocks) = request.block.split(&self.registers).filter(|_| may_split) {
            let Block { kind, address, count, .. } = request.block;
            tracing::info!(
                bus,
                slave = self.name,
                ?kind,
                address,
                count,
                "modbus request refused, asking for less"
            );
            self.requests.splice(index..=index, blocks.into_iter().map(PlannedRequest::new));
            return;
        }
        if !request.told {
            request.told = true;
            let Block { kind, address, count, .. } = request.block;
            tracing::warn!(bus, slave = self.name, ?kind, address, count, %code, "modbus request refused");
        }
    }
}

impl PlannedRequest {
    const fn new(block: Block) -> Self {
        Self { block, told: false }
    }

    pub(super) const fn accepted(&mut self) {
        self.told = false;
    }
}
