//! The common shapes of Home Assistant's value templates: one expression that shows a value, and filters behind it.
//!
//! `{{ value }}`, `{{ value_json.a.b }}`, `{{ value_json['a'][0] }}`, `{{ value_json.get('a') }}`, with `| float`,
//! `| int`, `| round(n)`, `| default(…)` and `| is_defined`. Others are not templates here. **A default is never
//! taken**: what stands for a value that is missing was not measured.

use penstock_shared::reading::Value;
use serde_json::Value as Json;

use crate::decode::reason::{Reason, Undecodable};

const MAX_TEMPLATE_BYTES: usize = 512;
const MAX_STEPS: usize = 8;

/// Where the value stands in a message, and what is done to it. The default takes the message whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Template {
    path: Vec<Step>,
    filters: Vec<Filter>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(Box<str>),
    Position(usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Filter {
    Float,
    Int,
    Round(i32),
}

impl Template {
    /// Reads a template; none when it is beyond the common shapes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return None;
        }
        let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
        let inner = inner.trim_matches('-').trim();
        let mut parts = split_unquoted(inner, '|').into_iter();
        let path = parse_path(parts.next()?)?;
        let filters: Vec<Option<Filter>> = parts.map(parse_filter).collect::<Option<_>>()?;
        Some(Self { path, filters: filters.into_iter().flatten().collect() })
    }

    /// Returns the member of the message's object that is read.
    pub(super) fn member(&self) -> Option<&str> {
        match self.path.first()? {
            Step::Member(name) => Some(name),
            Step::Position(_) => None,
        }
    }

    /// Returns the innermost member that is read, which names the value.
    pub(super) fn last_member(&self) -> Option<&str> {
        self.path.iter().rev().find_map(|step| match step {
            Step::Member(name) => Some(name.as_ref()),
            Step::Position(_) => None,
        })
    }

    /// Returns what the template shows of a message.
    pub(super) fn find<'a>(&self, message: &'a Json) -> Option<&'a Json> {
        self.path.iter().try_fold(message, |json, step| match step {
            Step::Member(name) => json.get(name.as_ref()),
            Step::Position(position) => json.get(position),
        })
    }

    /// Applies the filters.
    pub(super) fn convert(&self, value: Value) -> Result<Value, Undecodable> {
        self.filters.iter().try_fold(value, |value, filter| {
            let number = match value {
                Value::Number(number) => number,
                Value::Boolean(flag) => f64::from(u8::from(flag)),
                Value::Text(_) => {
                    return Err(Undecodable::new(
                        Reason::NotAValue,
                        "a text where the template wants a number",
                    ));
                }
            };
            Ok(Value::Number(filter.apply(number)))
        })
    }
}

impl Filter {
    fn apply(self, number: f64) -> f64 {
        match self {
            Self::Float => number,
            Self::Int => number.trunc(),
            Self::Round(digits) => {
                let scaled = number * 10_f64.powi(digits);
                if scaled.is_finite() { scaled.round() / 10_f64.powi(digits) } else { number }
            }
        }
    }
}

/// Some(None) is a filter that changes nothing.
fn parse_filter(text: &str) -> Option<Option<Filter>> {
    let text = text.trim();
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.strip_suffix(')')?.trim()),
        None => (text, ""),
    };
    match name {
        "float" => Some(Some(Filter::Float)),
        "int" => Some(Some(Filter::Int)),
        "round" => {
            let digits = arguments.split(',').next().unwrap_or_default().trim();
            let digits = if digits.is_empty() { 0 } else { digits.parse::<u8>().ok()? };
            Some(Some(Filter::Round(i32::from(digits.min(15)))))
        }
        "default" | "d" | "is_defined" => Some(None),
        _ => None,
    }
}

fn parse_path(text: &str) -> Option<Vec<Step>> {
    let text = text.trim();
    if text == "value" {
        return Some(Vec::new());
    }
    let mut rest = text.strip_prefix("value_json")?;
    let mut path = Vec::new();
    while !rest.is_empty() {
        let (step, after) = parse_step(rest)?;
        path.push(step);
        rest = after;
    }
    (1..=MAX_STEPS).contains(&path.len()).then_some(path)
}

fn parse_step(text: &str) -> Option<(Step, &str)> {
    if let Some(inner) = text.strip_prefix(".get(") {
        let (name, rest) = parse_quoted(inner)?;
        // A second argument is a default, which is not taken.
        let (_, rest) = rest.split_once(')')?;
        return Some((Step::Member(name.into()), rest));
    }
    if let Some(name) = text.strip_prefix('.') {
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        return (end > 0).then(|| (Step::Member(name[..end].into()), &name[end..]));
    }
    let inner = text.strip_prefix('[')?;
    if let Some((name, rest)) = parse_quoted(inner) {
        return Some((Step::Member(name.into()), rest.trim_start().strip_prefix(']')?));
    }
    let (position, rest) = inner.split_once(']')?;
    Some((Step::Position(position.trim().parse().ok()?), rest))
}

fn parse_quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let mut quote = None;
    text.split(move |c| {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            _ => {}
        }
        quote.is_none() && c == separator
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(template: &str, message: &str) -> Option<Value> {
        let template = Template::parse(template)?;
        let message: Json = serde_json::from_str(message).expect("JSON");
        let found = template.find(&message)?;
        template.convert(crate::decode::payload::scalar(found).ok()?).ok()
    }

    #[test]
    fn the_common_shapes_show_their_value() {
        for (template, message, expected) in [
            ("{{ value }}", "\"21.5\"", Some(21.5)),
            ("{{value_json.t}}", r#"{"t": 1.5}"#, Some(1.5)),
            ("{{ value_json['a b'] }}", r#"{"a b": 2}"#, Some(2.0)),
            ("{{ value_json[\"a|b\"].c }}", r#"{"a|b": {"c": 3}}"#, Some(3.0)),
            ("{{ value_json.a[1].b | float }}", r#"{"a": [0, {"b": "4.5"}]}"#, Some(4.5)),
            ("{{ value_json.get('a', 0) | int }}", r#"{"a": 5.9}"#, Some(5.0)),
            ("{{ value_json.a | float(0) | round(1) }}", r#"{"a": 6.25}"#, Some(6.3)),
            ("{{- value_json.a | default('|') -}}", r#"{"a": 7}"#, Some(7.0)),
            ("{{ value_json.b | default(9) }}", r#"{"a": 7}"#, None),
        ] {
            assert_eq!(shown(template, message), expected.map(Value::Number), "{template}");
        }
    }

    #[test]
    fn what_is_beyond_them_is_no_template() {
        for template in [
            "value_json.a",
            "{{ value_json.a + 1 }}",
            "{{ value_json }}",
            "{{ states('x') }}",
            "{% if value %}1{% endif %}",
            "{{ value_json.a | regex_replace('a', 'b') }}",
            "{{ value_json['a }}",
            "{{ value_json[-1] }}",
            "{{ value_json. }}",
            "{{}}",
            "",
        ] {
            assert_eq!(Template::parse(template), None, "{template}");
        }
    }
}
