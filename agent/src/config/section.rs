//! Takes keys out of one table, typed and within bounds; what nobody took is an unknown key.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::Certificates;
use super::faults::{FaultLog, Origin};
use super::quantity;
use super::tree::{Node, NodeValue};

/// One table while it is being read.
pub(super) struct Section<'a> {
    path: String,
    origin: Origin,
    entries: BTreeMap<String, Node>,
    taken: BTreeMap<String, Origin>,
    log: &'a mut FaultLog,
}

impl<'a> Section<'a> {
    /// Opens the whole tree.
    pub(super) fn top(root: Node, log: &'a mut FaultLog) -> Self {
        Self::open(String::new(), Some(root), log)
    }

    fn open(path: String, node: Option<Node>, log: &'a mut FaultLog) -> Self {
        let (origin, entries) = match node {
            None => (Origin::File(0), BTreeMap::new()),
            Some(Node { origin, value: NodeValue::Table(entries) }) => (origin, entries),
            Some(Node { origin, value }) => {
                log.add(origin.clone(), path.clone(), format!("must be a table, is {}", value.kind()));
                (origin, BTreeMap::new())
            }
        };
        Self { path, origin, entries, taken: BTreeMap::new(), log }
    }

    /// Reads the table `key`; an absent one reads as empty.
    pub(super) fn table<T>(&mut self, key: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let node = self.entries.remove(key);
        let mut section = Section::open(self.full_key(key), node, self.log);
        let value = read(&mut section);
        section.refuse_unknown();
        value
    }

    /// Reads every table of the list `key`.
    pub(super) fn tables<T>(&mut self, key: &str, read: impl Fn(&mut Section<'_>) -> T) -> Vec<T> {
        let items = match self.entries.remove(key) {
            None => Vec::new(),
            Some(Node { value: NodeValue::List(items), .. }) => items,
            Some(Node { origin, value }) => {
                let reason = format!("must be a list of tables ([[{key}]]), is {}", value.kind());
                self.log.add(origin, self.full_key(key), reason);
                Vec::new()
            }
        };
        let path = self.full_key(key);
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let mut section = Section::open(path.clone(), Some(item), self.log);
            values.push(read(&mut section));
            section.refuse_unknown();
        }
        values
    }

    /// Reads a text.
    pub(super) fn text(&mut self, key: &str, default: &str) -> String {
        let text = self.take(key, "a text", |value| match value {
            NodeValue::Text(text) => Some(text.clone()),
            _ => None,
        });
        text.unwrap_or_else(|| default.to_owned())
    }

    /// Reads a text that may be absent; an empty one counts as absent.
    pub(super) fn optional_text(&mut self, key: &str) -> Option<String> {
        Some(self.text(key, "")).filter(|text| !text.is_empty())
    }

    /// Reads true or false.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        let flag = self.take(key, "true or false", |value| match value {
            NodeValue::Flag(flag) => Some(*flag),
            _ => None,
        });
        flag.unwrap_or(default)
    }

    /// Reads a whole number within `range`.
    pub(super) fn number(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let number = self.take(key, "a whole number of 0 or more", |value| match value {
            NodeValue::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        });
        self.within(key, number, default, &range, &|bound| bound.to_string())
    }

    /// Reads a whole number within `range` that may be absent.
    pub(super) fn optional_number(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let is_there = self.entries.contains_key(key);
        let number = self.number(key, *range.start(), range);
        is_there.then_some(number)
    }

    /// Reads a finite number, whole or not.
    pub(super) fn fraction(&mut self, key: &str, default: f64) -> f64 {
        self.optional_fraction(key).unwrap_or(default)
    }

    /// Reads a finite number that may be absent.
    pub(super) fn optional_fraction(&mut self, key: &str) -> Option<f64> {
        self.take(key, "a finite number", |value| match value {
            NodeValue::Integer(number) => Some(*number as f64),
            NodeValue::Fraction(number) => Some(*number).filter(|number| number.is_finite()),
            _ => None,
        })
    }

    /// Reads a size in bytes within `range`: an integer, or a text with a unit such as `"64 MiB"`.
    pub(super) fn bytes(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let wanted = "a number of bytes or a text such as \"64 MiB\"";
        let size = self.take(key, wanted, |value| match value {
            NodeValue::Integer(number) => u64::try_from(*number).ok(),
            NodeValue::Text(text) => quantity::parse_bytes(text),
            _ => None,
        });
        self.within(key, size, default, &range, &quantity::show_bytes)
    }

    /// Reads one word of a fixed set.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, default: T, words: &[(&str, T)]) -> T {
        let list = words.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let found = self.take(key, &format!("one of {list}"), |value| match value {
            NodeValue::Text(text) => words.iter().find(|(word, _)| word == text).map(|(_, choice)| *choice),
            _ => None,
        });
        found.unwrap_or(default)
    }

    /// Reads a list of texts.
    pub(super) fn texts(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        let texts = self.take(key, "a list of texts", |value| match value {
            NodeValue::List(items) => items.iter().map(as_text).collect(),
            _ => None,
        });
        texts.unwrap_or_else(|| default.iter().map(|text| (*text).to_owned()).collect())
    }

    /// Reads a table of texts with keys of the operator's choosing.
    pub(super) fn text_table(&mut self, key: &str) -> BTreeMap<String, String> {
        let texts = self.take(key, "a table of texts", |value| match value {
            NodeValue::Table(entries) => {
                entries.iter().map(|(name, node)| Some((name.clone(), as_text(node)?))).collect()
            }
            _ => None,
        });
        texts.unwrap_or_default()
    }

    /// Tells how certificates are looked into.
    pub(super) const fn certificates(&self) -> Certificates {
        self.log.certificates()
    }

    /// Notes what is wrong with the value of `key`, which parsed but cannot stand.
    pub(super) fn fault(&mut self, key: &str, reason: impl Into<String>) {
        let origin = self.taken.get(key).unwrap_or(&self.origin).clone();
        self.log.add(origin, self.full_key(key), reason);
    }

    /// Notes every key that nobody asked for.
    pub(super) fn refuse_unknown(&mut self) {
        for (key, node) in std::mem::take(&mut self.entries) {
            self.log.add(node.origin, self.full_key(&key), "unknown key");
        }
    }

    fn take<T>(
        &mut self,
        key: &str,
        wanted: &str,
        convert: impl FnOnce(&NodeValue) -> Option<T>,
    ) -> Option<T> {
        let full_key = self.full_key(key);
        self.log.note_key(full_key.clone());
        let node = self.entries.remove(key)?;
        self.taken.insert(key.to_owned(), node.origin.clone());
        let converted = convert(&node.value);
        if converted.is_none() {
            self.log.add(node.origin, full_key, format!("must be {wanted}"));
        }
        converted
    }

    fn within(
        &mut self,
        key: &str,
        found: Option<u64>,
        default: u64,
        range: &RangeInclusive<u64>,
        show: &dyn Fn(u64) -> String,
    ) -> u64 {
        let Some(number) = found else { return default };
        if range.contains(&number) {
            return number;
        }
        self.fault(key, format!("must be from {} to {}", show(*range.start()), show(*range.end())));
        default
    }

    fn full_key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn as_text(node: &Node) -> Option<String> {
    match &node.value {
        NodeValue::Text(text) => Some(text.clone()),
        _ => None,
    }
}
