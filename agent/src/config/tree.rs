//! The configuration as a tree in which every value knows where it was written.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ENVIRONMENT_PREFIX;
use super::faults::{FaultLog, Origin};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: NodeValue,
}

/// What TOML can say, as far as a configuration needs it.
#[derive(Debug, Clone)]
pub(super) enum NodeValue {
    Text(String),
    Integer(i64),
    Fraction(f64),
    Flag(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl NodeValue {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Fraction(_) => "a fraction",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Returns a tree in which nothing stands.
pub(super) const fn empty() -> Node {
    Node { origin: Origin::File(0), value: NodeValue::Table(BTreeMap::new()) }
}

/// Parses the `text` of a file; none when it is not TOML, which the log then says with every place.
pub(super) fn from_toml(file: usize, text: &str, log: &mut FaultLog) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let line = |offset| Origin::Line { file, line: line_of(text, offset) };
    for error in &errors {
        let origin = error.span().map_or(Origin::File(file), |span| line(span.start));
        log.add(origin, "", error.message());
    }
    if !errors.is_empty() {
        return None;
    }
    Some(Node { origin: Origin::File(0), value: convert_table(table.get_ref(), &line) })
}

/// Puts `PENSTOCK_AGENT__SECTION__KEY=value` over what the file says. A value is TOML where it parses as
/// such, else text.
pub(super) fn overlay_environment(
    root: &mut Node,
    environment: impl IntoIterator<Item = (String, String)>,
    log: &mut FaultLog,
) {
    for (name, text) in environment {
        let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        let levels: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        let origin = Origin::Environment(name.clone());
        if insert(root, &levels, environment_value(&text, &origin)).is_err() {
            log.add(origin, levels.join("."), "does not lead to a key of a table");
        }
    }
}

fn environment_value(text: &str, origin: &Origin) -> Node {
    let document = format!("v = {text}");
    let parsed = DeTable::parse(&document).ok().and_then(|table| {
        let only = table.get_ref().len() == 1;
        let value = table.get_ref().values().next().map(|value| convert(value, &|_| origin.clone()));
        value.filter(|_| only)
    });
    parsed.unwrap_or_else(|| Node { origin: origin.clone(), value: NodeValue::Text(text.to_owned()) })
}

fn insert(node: &mut Node, levels: &[String], value: Node) -> Result<(), ()> {
    let NodeValue::Table(entries) = &mut node.value else { return Err(()) };
    match levels {
        [] => Err(()),
        [key] => {
            entries.insert(key.clone(), value);
            Ok(())
        }
        [key, deeper @ ..] => {
            let origin = value.origin.clone();
            let child = entries
                .entry(key.clone())
                .or_insert_with(|| Node { origin, value: NodeValue::Table(BTreeMap::new()) });
            insert(child, deeper, value)
        }
    }
}

fn convert_table(table: &DeTable<'_>, origin_at: &dyn Fn(usize) -> Origin) -> NodeValue {
    NodeValue::Table(
        table
            .iter()
            .map(|(key, value)| {
                let mut node = convert(value, origin_at);
                // A key's own place is what the operator looks for, also for tables opened by a header.
                node.origin = origin_at(key.span().start);
                (key.get_ref().to_string(), node)
            })
            .collect(),
    )
}

fn convert(value: &Spanned<DeValue<'_>>, origin_at: &dyn Fn(usize) -> Origin) -> Node {
    let converted = match value.get_ref() {
        DeValue::String(text) => NodeValue::Text(text.to_string()),
        DeValue::Boolean(flag) => NodeValue::Flag(*flag),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => NodeValue::Integer(number),
            Err(_) => NodeValue::Text(integer.as_str().to_owned()),
        },
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(number) => NodeValue::Fraction(number),
            Err(_) => NodeValue::Text(float.as_str().to_owned()),
        },
        DeValue::Datetime(moment) => NodeValue::Text(moment.to_string()),
        DeValue::Array(items) => NodeValue::List(items.iter().map(|item| convert(item, origin_at)).collect()),
        DeValue::Table(table) => convert_table(table, origin_at),
    };
    Node { origin: origin_at(value.span().start), value: converted }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
