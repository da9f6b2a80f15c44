//! What stands in a frame, and how its values are called.

use std::collections::BTreeMap;

use super::framing::{ByteOrder, ORDERS};
use crate::config::mapping::TIME_UNITS;
use crate::config::section::Section;
use crate::config::{JsonPointer, TimeUnit};

/// A compiled pattern must stay small: a gateway has 256 MB.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// From a frame to named values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordSettings {
    /// What a frame is.
    pub format: RecordFormat,
    /// Units by the value's name; where a record names its own, this one goes before it.
    pub units: BTreeMap<String, String>,
    /// Values that are words. All others are numbers, or booleans such as `on` and `false`; a word there is a fault of
    /// the line.
    pub texts: Vec<String>,
}

/// The kinds of records.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordFormat {
    /// One number, with or without its unit behind.
    Number {
        /// What it measures.
        name: String,
    },
    /// Columns in their order.
    Csv {
        /// Their names; an empty one is not read.
        columns: Vec<String>,
        /// Between the columns.
        separator: char,
    },
    /// An object.
    Json {
        /// Names and places; empty: every number and boolean of the object by its own name.
        values: Vec<(String, JsonPointer)>,
        /// Where the device's time is; none takes the time of arrival.
        time: Option<JsonPointer>,
        /// Default: auto.
        time_unit: TimeUnit,
    },
    /// `name=value` or `name:value`, with blanks, commas or semicolons between.
    KeyValue {
        /// Which names are read; empty: all.
        columns: Vec<String>,
    },
    /// A pattern whose named groups are values.
    Regex(Pattern),
    /// Sentences of ships and satellite receivers.
    Nmea0183,
    /// Fields at fixed places.
    Binary(Vec<BinaryField>),
}

impl Default for RecordFormat {
    fn default() -> Self {
        Self::Number { name: "value".to_owned() }
    }
}

/// A regular expression with at least one named group.
#[derive(Debug, Clone)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is none, is too large, or names no group.
    pub fn parse(text: &str) -> Result<Self, String> {
        let compiled = regex::RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).build();
        let pattern = compiled.map_err(|error| error.to_string().replace('\n', " "))?;
        if pattern.capture_names().flatten().next().is_none() {
            return Err("must have a named group, such as (?<weight>[0-9.]+)".to_owned());
        }
        Ok(Self(pattern))
    }

    /// Returns the compiled pattern.
    #[must_use]
    pub const fn regex(&self) -> &regex::Regex {
        &self.0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// One value of a binary record.
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryField {
    /// What it measures.
    pub name: String,
    /// From the first byte of the record.
    pub offset: usize,
    /// How it is written.
    pub field_type: FieldType,
    /// Default: big.
    pub order: ByteOrder,
    /// What the raw number is multiplied with. Default: 1.
    pub scale: f64,
    /// What is then added. Default: 0.
    pub add: f64,
    /// Empty: none.
    pub unit: String,
}

/// How a number is written in a binary record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FieldType {
    U8,
    I8,
    #[default]
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl FieldType {
    /// Returns how many bytes it has.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

const FIELD_TYPES: [(&str, FieldType); 10] = [
    ("u8", FieldType::U8),
    ("i8", FieldType::I8),
    ("u16", FieldType::U16),
    ("i16", FieldType::I16),
    ("u32", FieldType::U32),
    ("i32", FieldType::I32),
    ("u64", FieldType::U64),
    ("i64", FieldType::I64),
    ("f32", FieldType::F32),
    ("f64", FieldType::F64),
];

pub(in crate::config) fn read(section: &mut Section<'_>) -> RecordSettings {
    let kinds =
        ["number", "csv", "json", "key_value", "regex", "nmea0183", "binary"].map(|word| (word, word));
    let kind = section.choice("format", "number", &kinds);
    let name = section.text("type", "value");
    let columns = section.texts("columns", &[]);
    let separator = read_separator(section);
    let json = read_json(section);
    let pattern = section.optional_text("pattern");
    let fields = section.tables("field", read_field);
    let format = match kind {
        "csv" => {
            if columns.iter().all(String::is_empty) {
                section.fault("columns", "must name at least one column");
            }
            RecordFormat::Csv { columns, separator }
        }
        "json" => json,
        "key_value" => RecordFormat::KeyValue { columns },
        "regex" => match Pattern::parse(&pattern.unwrap_or_default()) {
            Ok(pattern) => RecordFormat::Regex(pattern),
            Err(reason) => {
                section.fault("pattern", reason);
                RecordFormat::default()
            }
        },
        "nmea0183" => RecordFormat::Nmea0183,
        "binary" => {
            if fields.is_empty() {
                section.fault("format", "binary needs at least one section of field");
            }
            RecordFormat::Binary(fields)
        }
        _ => RecordFormat::Number { name },
    };
    RecordSettings { format, units: section.text_table("units"), texts: section.texts("texts", &[]) }
}

fn read_separator(section: &mut Section<'_>) -> char {
    let text = section.text("separator", ",");
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(separator), None) => separator,
        _ => {
            section.fault("separator", "must be one character");
            ','
        }
    }
}

fn read_json(section: &mut Section<'_>) -> RecordFormat {
    let table = section.text_table("values");
    let mut values = Vec::with_capacity(table.len());
    for (name, text) in table {
        values.extend(read_pointer(section, "values", &text).map(|pointer| (name, pointer)));
    }
    let time = section.optional_text("time").and_then(|text| read_pointer(section, "time", &text));
    let time_unit = section.choice("time_unit", TimeUnit::Auto, &TIME_UNITS);
    RecordFormat::Json { values, time, time_unit }
}

fn read_pointer(section: &mut Section<'_>, key: &str, text: &str) -> Option<JsonPointer> {
    JsonPointer::parse(text).map_err(|error| section.fault(key, error.to_string())).ok()
}

fn read_field(section: &mut Section<'_>) -> BinaryField {
    let name = section.text("type", "");
    if name.is_empty() {
        section.fault("type", "is needed: what the field measures");
    }
    BinaryField {
        name,
        offset: section.number("offset", 0, 0..=16 * 1024) as usize,
        field_type: section.choice("number", FieldType::U16, &FIELD_TYPES),
        order: section.choice("order", ByteOrder::Big, &ORDERS),
        scale: section.fraction("scale", 1.0),
        add: section.fraction("add", 0.0),
        unit: section.text("unit", ""),
    }
}
