//! From registers as they came to samples. Pure.

use penstock_shared::reading::Value;

use super::plan::Block;
use crate::config::modbus::{RegisterSettings, RegisterType, WordOrder};
use crate::decode::Sample;

/// What a slave answered to one request, first address first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Words(Vec<u16>),
    Bits(Vec<bool>),
}

impl Data {
    /// Tells how many registers or bits it has.
    pub(super) const fn count(&self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Bits(bits) => bits.len(),
        }
    }
}

/// Returns the values of a block's registers; one that the answer is too short for is left out.
pub(super) fn samples(block: &Block, registers: &[RegisterSettings], data: &Data) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(block.registers.len());
    for register in block.registers.iter().map(|index| &registers[*index]) {
        let first = usize::from(register.address - block.address);
        match data {
            Data::Bits(bits) => {
                samples.extend(bits.get(first).map(|bit| sample(register, Value::Boolean(*bit))));
            }
            Data::Words(words) => {
                let end = first + usize::from(register.register_type.width());
                if let Some(words) = words.get(first..end) {
                    decode(register, words, &mut samples);
                }
            }
        }
    }
    samples
}

fn decode(register: &RegisterSettings, words: &[u16], samples: &mut Vec<Sample>) {
    let raw = raw(words, register.word_order);
    // Narrowing keeps the low bits, which are all that the type has.
    let number = match register.register_type {
        RegisterType::Bool => return samples.push(sample(register, Value::Boolean(raw != 0))),
        RegisterType::Bits => {
            samples.extend((0..16).map(|bit| Sample {
                name: format!("{}_{bit}", register.name),
                ..sample(register, Value::Boolean(raw >> bit & 1 == 1))
            }));
            return;
        }
        RegisterType::U16 | RegisterType::U32 | RegisterType::U64 => raw as f64,
        RegisterType::I16 => f64::from(raw as u16 as i16),
        RegisterType::I32 => f64::from(raw as u32 as i32),
        RegisterType::I64 => raw as i64 as f64,
        RegisterType::F32 => f64::from(f32::from_bits(raw as u32)),
        RegisterType::F64 => f64::from_bits(raw),
    };
    samples.push(sample(register, Value::Number(number * register.scale + register.offset)));
}

/// Puts registers together, the most significant first.
fn raw(words: &[u16], order: WordOrder) -> u64 {
    let join = |raw: u64, word: &u16| raw << 16 | u64::from(*word);
    match order {
        WordOrder::Big => words.iter().fold(0, join),
        WordOrder::Little => words.iter().rev().fold(0, join),
    }
}

fn sample(register: &RegisterSettings, value: Value) -> Sample {
    Sample::new(&register.name, value).with_unit(&register.unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plan::plan;
    use super::*;
    use crate::config::modbus::RegisterKind;

    const TYPES: [RegisterType; 10] = [
        RegisterType::U16,
        RegisterType::I16,
        RegisterType::U32,
        RegisterType::I32,
        RegisterType::U64,
        RegisterType::I64,
        RegisterType::F32,
        RegisterType::F64,
        RegisterType::Bool,
        RegisterType::Bits,
    ];

    fn register(register_type: RegisterType, word_order: WordOrder) -> RegisterSettings {
        RegisterSettings {
            name: "value".into(),
            kind: RegisterKind::Holding,
            address: 40,
            register_type,
            word_order,
            scale: 1.0,
            offset: 0.0,
            unit: "°C".into(),
        }
    }

    fn values(register: RegisterSettings, words: &[u16]) -> Vec<Sample> {
        let registers = [register];
        samples(&plan(&registers)[0], &registers, &Data::Words(words.to_vec()))
    }

    #[test]
    fn each_type_is_read_in_both_word_orders() {
        for (register_type, words, number) in [
            (RegisterType::U16, [0xFFFE].as_slice(), 65_534.0),
            (RegisterType::I16, &[0xFFFE], -2.0),
            (RegisterType::U32, &[0xFFFF, 0xFFFE], 4_294_967_294.0),
            (RegisterType::I32, &[0xFFFF, 0xFFFE], -2.0),
            (RegisterType::U64, &[0, 1, 0, 2], 4_294_967_298.0),
            (RegisterType::I64, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFD], -3.0),
            (RegisterType::F32, &[0x3DCC, 0xCCCD], f64::from(0.1_f32)),
            (RegisterType::F64, &[0x3FB9, 0x9999, 0x9999, 0x999A], 0.1),
        ] {
            let backwards: Vec<u16> = words.iter().rev().copied().collect();
            for (order, words) in [(WordOrder::Big, words), (WordOrder::Little, &backwards)] {
                let expected = Sample::new("value", Value::Number(number)).with_unit("°C");
                assert_eq!(
                    values(register(register_type, order), words),
                    [expected],
                    "{register_type:?} {order:?}"
                );
            }
        }
    }

    #[test]
    fn scale_and_offset_make_the_unit() {
        let scaled =
            RegisterSettings { scale: 0.5, offset: -40.0, ..register(RegisterType::I16, WordOrder::Big) };
        assert_eq!(values(scaled, &[100])[0].value, Value::Number(10.0));
    }

    #[test]
    fn a_status_word_is_sixteen_values_and_a_flag_is_one() {
        let bits = values(register(RegisterType::Bits, WordOrder::Big), &[0b1000_0000_0000_0101]);
        let set: Vec<_> = bits
            .iter()
            .filter(|sample| sample.value == Value::Boolean(true))
            .map(|sample| sample.name.as_str())
            .collect();
        assert_eq!((bits.len(), set), (16, vec!["value_0", "value_2", "value_15"]));
        for (word, flag) in [(0, false), (256, true)] {
            let flags = values(register(RegisterType::Bool, WordOrder::Big), &[word]);
            assert_eq!(flags[0].value, Value::Boolean(flag));
        }
    }

    #[test]
    fn coils_are_booleans_and_a_short_answer_leaves_values_out() {
        let coil = |address| RegisterSettings {
            kind: RegisterKind::Coil,
            address,
            ..register(RegisterType::Bool, WordOrder::Big)
        };
        let registers = [coil(3), coil(5), coil(9)];
        let found = samples(&plan(&registers)[0], &registers, &Data::Bits(vec![true, true, false]));
        let values: Vec<_> = found.into_iter().map(|sample| sample.value).collect();
        assert_eq!(values, [Value::Boolean(true), Value::Boolean(false)]);
    }

    proptest! {
        #[test]
        fn whatever_a_slave_answers_a_value_is_read_or_left_out(
            words in proptest::collection::vec(any::<u16>(), 0..130),
            as_bits: bool,
        ) {
            for register_type in TYPES {
                for order in [WordOrder::Big, WordOrder::Little] {
                    let registers = [register(register_type, order)];
                    let data = match as_bits {
                        true => Data::Bits(words.iter().map(|word| word & 1 == 1).collect()),
                        false => Data::Words(words.clone()),
                    };
                    let found = samples(&plan(&registers)[0], &registers, &data);
                    let needed = if as_bits { 1 } else { usize::from(register_type.width()) };
                    prop_assert_eq!(found.is_empty(), words.len() < needed);
                }
            }
        }
    }
}
