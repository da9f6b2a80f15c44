//! InfluxDB's line protocol: on topics that end in `/influx`, on Telegraf's own (`telegraf/…`), and where a mapping says
//! `format = "influx_line"`.
//!
//! `measurement,tag=a field=1i,other=2.5 1700000000000000000`: the type is `measurement_field`, or `measurement` alone
//! for a field named `value`; tags are labels, but `source` or else `host` is the source. Without either, the topic is.

use std::sync::Arc;

use penstock_shared::reading::{MAX_LABELS, TimestampMicros, Value};
use serde_json::Value as Json;

use super::findings::{Findings, check_name};
use super::heard::Heard;
use crate::config::TimeUnit;
use crate::decode::reason::{Reason, Undecodable};
use crate::decode::samples::Sample;
use crate::decode::time;

const TOPIC_END: &str = "/influx";
const TELEGRAF: &str = "telegraf/";
const SOURCE_TAGS: [&str; 2] = ["source", "host"];

/// Tells whether a topic may carry lines.
pub(super) fn may_claim(topic: &str) -> bool {
    topic.ends_with(TOPIC_END) || topic.starts_with(TELEGRAF)
}

pub(super) fn read(heard: &Heard<'_>, precision: TimeUnit) -> Option<Findings> {
    let source = heard.topic.strip_suffix(TOPIC_END).filter(|source| !source.is_empty());
    let source = source.or_else(|| heard.topic.starts_with(TELEGRAF).then_some(heard.topic))?;
    // Telegraf may also be told to write JSON; a bare number is nobody's line.
    let begins_otherwise = |byte: u8| matches!(byte, b'{' | b'[' | b'"' | b'0'..=b'9' | b'-' | b'+');
    if heard.first_byte().is_none_or(begins_otherwise) {
        return None;
    }
    Some(read_lines(heard, Some(source), precision, &[]))
}

/// Reads lines; `source`, or else the topic, holds where no tag names one. All have `further_labels`.
pub(in crate::decode) fn read_lines(
    heard: &Heard<'_>,
    source: Option<&str>,
    precision: TimeUnit,
    further_labels: &[(String, String)],
) -> Findings {
    let context = Context { source: source.unwrap_or(heard.topic), precision, further_labels };
    let mut findings = Findings::default();
    let text = match std::str::from_utf8(heard.payload) {
        Ok(text) => text,
        Err(error) => return Findings::fault(Undecodable::new(Reason::NotUtf8, error.to_string())),
    };
    let mut rest = text;
    let mut number = 0;
    while !rest.is_empty() && !findings.is_full() {
        let (line, after) = cut_line(rest);
        rest = after;
        number += 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Err(fault) = context.read_line(line, &mut findings) {
            let detail = format!("line {number}: {}", fault.detail);
            findings.set_aside(Undecodable::new(fault.reason, detail));
        }
    }
    findings
}

/// What holds for all lines of a message.
struct Context<'a> {
    source: &'a str,
    precision: TimeUnit,
    further_labels: &'a [(String, String)],
}

impl Context<'_> {
    fn read_line(&self, line: &str, findings: &mut Findings) -> Result<(), Undecodable> {
        let (key, rest) = cut(line, b' ', false);
        let (fields, stamp) = cut(rest.ok_or_else(|| bad("there are no fields"))?.trim_start(), b' ', true);
        let (measurement, mut tags) = cut(key, b',', false);
        let measurement = unescape(measurement);
        check_name(&measurement)?;
        if measurement.is_empty() {
            return Err(bad("there is no measurement"));
        }
        let mut labels = self.further_labels.to_vec();
        while let Some(text) = tags {
            let (tag, after) = cut(text, b',', false);
            let (name, value) = cut(tag, b'=', false);
            let value = value.filter(|value| !value.is_empty()).ok_or_else(|| bad("a tag has no value"))?;
            check_name(name).and_then(|()| check_name(value))?;
            if labels.len() >= MAX_LABELS + SOURCE_TAGS.len() {
                let detail = format!("more tags than the {MAX_LABELS} labels of a series");
                return Err(Undecodable::new(Reason::InvalidSeries, detail));
            }
            labels.push((unescape(name).replace(['.', '$'], "_"), unescape(value)));
            tags = after;
        }
        let source = source_of(&mut labels, self.source);
        let time = stamp.map(str::trim).filter(|stamp| !stamp.is_empty());
        let time = time.map(|stamp| line_time(stamp, self.precision)).transpose()?;
        let mut fields = Some(fields);
        while let Some(text) = fields.filter(|_| !findings.is_full()) {
            let (field, after) = cut(text, b',', true);
            let (name, value) = cut(field, b'=', true);
            let name = unescape(name);
            let value = field_value(value.ok_or_else(|| bad("a field has no value"))?)?;
            let event_type =
                if name == "value" { measurement.clone() } else { format!("{measurement}_{name}") };
            findings.push(&source, Sample { time, ..Sample::new(event_type, value) }, labels.clone());
            fields = after;
        }
        Ok(())
    }
}

fn source_of(labels: &mut Vec<(String, String)>, otherwise: &str) -> Arc<str> {
    let tagged = SOURCE_TAGS.iter().find_map(|tag| labels.iter().position(|(name, _)| name == tag));
    tagged.map_or_else(|| otherwise.into(), |position| labels.remove(position).1.into())
}

fn line_time(stamp: &str, precision: TimeUnit) -> Result<TimestampMicros, Undecodable> {
    let whole: i64 = stamp.parse().map_err(|_| bad("the timestamp is no whole number"))?;
    time::device_time(&Json::from(whole), precision)
}

fn field_value(text: &str) -> Result<Value, Undecodable> {
    if let Some(quoted) = text.strip_prefix('"') {
        let inner = quoted.strip_suffix('"').ok_or_else(|| bad("a quotation has no end"))?;
        return Ok(Value::Text(inner.replace("\\\"", "\"").replace("\\\\", "\\")));
    }
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => return Ok(Value::Boolean(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Ok(Value::Boolean(false)),
        _ => {}
    }
    let number = if let Some(integer) = text.strip_suffix('i') {
        integer.parse::<i64>().ok().map(|integer| integer as f64)
    } else if let Some(integer) = text.strip_suffix('u') {
        integer.parse::<u64>().ok().map(|integer| integer as f64)
    } else {
        text.parse::<f64>().ok()
    };
    number.map(Value::Number).ok_or_else(|| bad("a field is neither number, boolean nor quoted text"))
}

/// Cuts the first line off. Only in a quoted field has it further lines' ends: a quotation mark in a comment or a
/// measurement's name is one character like others.
fn cut_line(text: &str) -> (&str, &str) {
    let (mut begun, mut in_fields, mut quoted, mut escaped) = (false, false, false, false);
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            b'\n' if !quoted => return (&text[..position], &text[position + 1..]),
            _ if escaped => escaped = false,
            b'#' if !begun => return text.split_once('\n').unwrap_or((text, "")),
            b'\\' => escaped = true,
            b'"' if in_fields => quoted = !quoted,
            b' ' if begun => in_fields = true,
            _ => {}
        }
        begun |= !byte.is_ascii_whitespace();
    }
    (text, "")
}

/// Cuts a text at the first separator that is neither escaped nor, with `quotes`, within a quotation.
fn cut(text: &str, separator: u8, quotes: bool) -> (&str, Option<&str>) {
    let bytes = text.as_bytes();
    let (mut position, mut quoted) = (0, false);
    while position < bytes.len() {
        match bytes[position] {
            b'\\' => position += 1,
            b'"' if quotes => quoted = !quoted,
            // Every separator is ASCII, so it is never a part of another character.
            byte if byte == separator && !quoted => {
                return (&text[..position], Some(&text[position + 1..]));
            }
            _ => {}
        }
        position += 1;
    }
    (text, None)
}

/// A backslash counts only before what it can escape.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escapes = character == '\\' && matches!(characters.peek(), Some(',' | '=' | ' ' | '\\'));
        plain.extend(if escapes { characters.next() } else { Some(character) });
    }
    plain
}

fn bad(detail: &'static str) -> Undecodable {
    Undecodable::new(Reason::BadLine, detail)
}
