//! `[[modbus.slave.register]]`: where a value stands, how it is written, and what it measures.

use crate::config::section::Section;

/// One value of a slave, in one register or several in a row, or in one coil.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterSettings {
    /// What it measures.
    pub name: String,
    /// Which of the slave's four tables it stands in. Default: holding.
    pub kind: RegisterKind,
    /// The first register's address as the protocol counts, from 0.
    pub address: u16,
    /// How it is written. Default: `u16` in registers, `bool` in coils and discrete inputs.
    pub register_type: RegisterType,
    /// Which register of several comes first. Default: big.
    pub word_order: WordOrder,
    /// What the raw number is multiplied with. Default: 1.
    pub scale: f64,
    /// What is then added. Default: 0.
    pub offset: f64,
    /// Empty: none.
    pub unit: String,
}

/// A slave's four tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum RegisterKind {
    /// Read and write, 16 bits.
    #[default]
    Holding,
    /// Read only, 16 bits.
    Input,
    /// Read and write, one bit.
    Coil,
    /// Read only, one bit.
    Discrete,
}

impl RegisterKind {
    /// Tells whether its values are single bits.
    #[must_use]
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }
}

/// How a value is written in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RegisterType {
    #[default]
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
    /// A coil, or a register that is not 0.
    Bool,
    /// The sixteen bits of a register, each a value of its own.
    Bits,
}

impl RegisterType {
    /// Returns how many registers, or coils, it takes.
    #[must_use]
    pub const fn width(self) -> u16 {
        match self {
            Self::U16 | Self::I16 | Self::Bool | Self::Bits => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }

    const fn is_number(self) -> bool {
        !matches!(self, Self::Bool | Self::Bits)
    }
}

/// Which register of a long number comes first; within a register the high byte always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WordOrder {
    /// The most significant.
    #[default]
    Big,
    /// The least significant.
    Little,
}

const KINDS: [(&str, RegisterKind); 4] = [
    ("holding", RegisterKind::Holding),
    ("input", RegisterKind::Input),
    ("coil", RegisterKind::Coil),
    ("discrete", RegisterKind::Discrete),
];

const TYPES: [(&str, RegisterType); 10] = [
    ("u16", RegisterType::U16),
    ("i16", RegisterType::I16),
    ("u32", RegisterType::U32),
    ("i32", RegisterType::I32),
    ("u64", RegisterType::U64),
    ("i64", RegisterType::I64),
    ("f32", RegisterType::F32),
    ("f64", RegisterType::F64),
    ("bool", RegisterType::Bool),
    ("bits", RegisterType::Bits),
];

pub(super) fn read(section: &mut Section<'_>) -> RegisterSettings {
    let name = section.text("name", "");
    if name.is_empty() {
        section.fault("name", "is needed: what it measures");
    }
    let kind = section.choice("kind", RegisterKind::Holding, &KINDS);
    let default_type = if kind.is_bits() { RegisterType::Bool } else { RegisterType::U16 };
    let register_type = section.choice("type", default_type, &TYPES);
    if kind.is_bits() && register_type != RegisterType::Bool {
        section.fault("type", "must be \"bool\" in a coil or discrete input");
    }
    let address = u16::try_from(section.number("address", 0, 0..=u16::MAX.into())).unwrap_or(0);
    if address.checked_add(register_type.width() - 1).is_none() {
        section.fault("address", "leaves no room for the value below 65536");
    }
    let scale = section.fraction("scale", 1.0);
    let offset = section.fraction("offset", 0.0);
    if !register_type.is_number() && (scale != 1.0 || offset != 0.0) {
        section.fault("type", "is no number, so it takes neither scale nor offset");
    }
    RegisterSettings {
        name,
        kind,
        address,
        register_type,
        word_order: section.choice(
            "word_order",
            WordOrder::Big,
            &[("big", WordOrder::Big), ("little", WordOrder::Little)],
        ),
        scale,
        offset,
        unit: section.text("unit", ""),
    }
}
