//! Configuration files put together from a base and what a scenario adds.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

/// Writes `base` with `added` merged into it, table by table.
///
/// # Panics
/// When one of them is no TOML: a fault of the test.
pub(super) fn write(path: &Path, base: &str, added: &str) {
    let parse = |text: &str| text.parse::<Table>().unwrap_or_else(|fault| panic!("{fault} in\n{text}"));
    let mut settings = parse(base);
    merge(&mut settings, parse(added));
    fs::write(path, settings.to_string()).expect("the world's directory is writable");
}

fn merge(into: &mut Table, added: Table) {
    for (key, value) in added {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
