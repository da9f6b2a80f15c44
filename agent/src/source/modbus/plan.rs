//! Which requests read a slave's registers: neighbours in one. Pure.

use crate::config::modbus::{RegisterKind, RegisterSettings};

/// The most that one request may ask for, after the Modbus Application Protocol 1.1b3, sections 6.1 to 6.4.
const MAX_REGISTERS: u16 = 125;
const MAX_BITS: u16 = 2000;
/// Up to so many that nobody asked for are read along: a request of its own costs a slow line more.
const GAP_REGISTERS: u16 = 8;
const GAP_BITS: u16 = 64;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: RegisterKind,
    pub(super) address: u16,
    pub(super) count: u16,
    /// Which of the slave's registers it holds, by their place in the configuration.
    pub(super) registers: Vec<usize>,
}

/// Plans the requests for all of a slave's registers.
pub(super) fn plan(registers: &[RegisterSettings]) -> Vec<Block> {
    merge(
        registers,
        (0..registers.len()).collect(),
        |kind| if kind.is_bits() { GAP_BITS } else { GAP_REGISTERS },
    )
}

impl Block {
    /// Returns smaller requests for the same registers, for a slave that refuses this one: without what nobody asked
    /// for, or else by halves. None when it is a single register.
    pub(super) fn split(&self, registers: &[RegisterSettings]) -> Option<Vec<Self>> {
        let close = merge(registers, self.registers.clone(), |_| 0);
        if close.len() > 1 {
            return Some(close);
        }
        let (first, second) = self.registers.split_at(self.registers.len() / 2);
        let halves = [first, second].map(|half| merge(registers, half.to_vec(), |_| 0));
        (!first.is_empty()).then(|| halves.concat())
    }
}

fn merge(
    registers: &[RegisterSettings],
    mut wanted: Vec<usize>,
    gap: impl Fn(RegisterKind) -> u16,
) -> Vec<Block> {
    wanted.sort_by_key(|index| (registers[*index].kind, registers[*index].address));
    let mut blocks: Vec<Block> = Vec::new();
    for index in wanted {
        let register = &registers[index];
        // The last address is 65,535, so the end may not be a u16.
        let end = u32::from(register.address) + u32::from(register.register_type.width());
        if let Some(block) = blocks.last_mut().filter(|block| block.kind == register.kind) {
            let block_end = u32::from(block.address) + u32::from(block.count);
            let merged = end.max(block_end) - u32::from(block.address);
            let near = u32::from(register.address) <= block_end + u32::from(gap(block.kind));
            let most = if block.kind.is_bits() { MAX_BITS } else { MAX_REGISTERS };
            if let Some(count) = u16::try_from(merged).ok().filter(|count| near && *count <= most) {
                block.count = count;
                block.registers.push(index);
                continue;
            }
        }
        blocks.push(Block {
            kind: register.kind,
            address: register.address,
            count: register.register_type.width(),
            registers: vec![index],
        });
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::modbus::{RegisterType, WordOrder};

    fn register(kind: RegisterKind, address: u16, register_type: RegisterType) -> RegisterSettings {
        RegisterSettings {
            name: format!("r{address}"),
            kind,
            address,
            register_type,
            word_order: WordOrder::Big,
            scale: 1.0,
            offset: 0.0,
            unit: String::new(),
        }
    }

    fn holding(address: u16) -> RegisterSettings {
        register(RegisterKind::Holding, address, RegisterType::U16)
    }

    fn shapes(blocks: &[Block]) -> Vec<(RegisterKind, u16, u16, usize)> {
        blocks.iter().map(|block| (block.kind, block.address, block.count, block.registers.len())).collect()
    }

    #[test]
    fn neighbours_of_one_kind_are_one_request_whatever_their_order() {
        let registers = [
            register(RegisterKind::Holding, 12, RegisterType::F32),
            register(RegisterKind::Input, 13, RegisterType::U16),
            holding(10),
            register(RegisterKind::Coil, 14, RegisterType::Bool),
            holding(13),
            holding(11),
        ];
        let expected = [
            (RegisterKind::Holding, 10, 4, 4),
            (RegisterKind::Input, 13, 1, 1),
            (RegisterKind::Coil, 14, 1, 1),
        ];
        let blocks = plan(&registers);
        assert_eq!(shapes(&blocks), expected);
        assert_eq!(blocks[0].registers, [2, 5, 0, 4]);
    }

    #[test]
    fn a_small_gap_is_read_along_and_a_large_one_is_not() {
        let near = plan(&[holding(0), holding(1 + GAP_REGISTERS)]);
        assert_eq!(shapes(&near), [(RegisterKind::Holding, 0, 10, 2)]);
        let far = plan(&[holding(0), holding(2 + GAP_REGISTERS)]);
        assert_eq!(shapes(&far), [(RegisterKind::Holding, 0, 1, 1), (RegisterKind::Holding, 10, 1, 1)]);
    }

    #[test]
    fn no_request_asks_for_more_than_the_protocol_allows() {
        let registers: Vec<_> = (0..300).map(holding).collect();
        let counts: Vec<_> = plan(&registers).iter().map(|block| block.count).collect();
        assert_eq!(counts, [125, 125, 50]);
        let coils: Vec<_> =
            (0..4500).map(|address| register(RegisterKind::Coil, address, RegisterType::Bool)).collect();
        let counts: Vec<_> = plan(&coils).iter().map(|block| block.count).collect();
        assert_eq!(counts, [2000, 2000, 500]);
        // A long number is not cut in two.
        let registers: Vec<_> =
            (0..63).map(|place| register(RegisterKind::Input, place * 2, RegisterType::U32)).collect();
        let counts: Vec<_> = plan(&registers).iter().map(|block| block.count).collect();
        assert_eq!(counts, [124, 2]);
    }

    #[test]
    fn the_last_address_is_read_too() {
        let registers = [register(RegisterKind::Holding, 65_532, RegisterType::U64), holding(65_535)];
        assert_eq!(shapes(&plan(&registers)), [(RegisterKind::Holding, 65_532, 4, 2)]);
    }

    #[test]
    fn what_a_slave_refuses_is_split_until_each_register_stands_alone() {
        let registers = [holding(0), holding(1), holding(5), holding(6)];
        let whole = plan(&registers).remove(0);
        let close = whole.split(&registers).expect("it has a gap");
        assert_eq!(shapes(&close), [(RegisterKind::Holding, 0, 2, 2), (RegisterKind::Holding, 5, 2, 2)]);
        let single = close[0].split(&registers).expect("two registers");
        assert_eq!(shapes(&single), [(RegisterKind::Holding, 0, 1, 1), (RegisterKind::Holding, 1, 1, 1)]);
        assert_eq!(single[0].split(&registers), None);
    }
}
