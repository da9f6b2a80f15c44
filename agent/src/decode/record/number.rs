//! One number as instruments write it: `21.5`, `+  12.30kg`, `on`.

use penstock_shared::reading::Value;

use crate::decode::Reason;
use crate::decode::reason::Undecodable;

/// A longer word behind a number is no unit.
const MAX_UNIT_BYTES: usize = 12;
const MAX_SHOWN_CHARACTERS: usize = 40;

/// Reads a number or a boolean, and its unit. Where a unit is configured, only that one may stand behind the number.
pub(super) fn read<'a>(
    name: &str,
    written: &'a str,
    configured_unit: &'a str,
) -> Result<(Value, &'a str), Undecodable> {
    let written = written.trim();
    if let Some(state) = boolean(written) {
        return Ok((Value::Boolean(state), configured_unit));
    }
    let end = number_end(written);
    let (number, unit) = (&written[..end], written[end..].trim());
    let is_unit = match configured_unit {
        "" => unit.len() <= MAX_UNIT_BYTES && !unit.chars().any(|c| c.is_ascii_digit() || c.is_control()),
        configured => unit.is_empty() || unit.eq_ignore_ascii_case(configured),
    };
    let Some(number) = parse(number).filter(|_| is_unit) else {
        let shown: String = written.chars().take(MAX_SHOWN_CHARACTERS).collect();
        return Err(Undecodable::new(Reason::NotANumber, format!("{name} is {shown:?}, which is no number")));
    };
    if !number.is_finite() {
        return Err(Undecodable::new(Reason::NotFinite, format!("{name} is beyond the range of a double")));
    }
    Ok((Value::Number(number), if configured_unit.is_empty() { unit } else { configured_unit }))
}

fn boolean(word: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 2]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is_one_of(["on", "true"]) {
        return Some(true);
    }
    is_one_of(["off", "false"]).then_some(false)
}

/// Returns where the number ends that `written` begins with.
fn number_end(written: &str) -> usize {
    let bytes = written.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    end += bytes.iter().skip(end).take_while(|byte| **byte == b' ').count();
    end += digits(end);
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        end += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    end
}

/// Scales put blanks between sign and digits.
fn parse(number: &str) -> Option<f64> {
    let (sign, digits) = match number.split_at_checked(1) {
        Some((sign @ ("+" | "-"), digits)) => (sign, digits.trim_start()),
        _ => ("", number),
    };
    let magnitude: f64 = digits.parse().ok()?;
    Some(if sign == "-" { -magnitude } else { magnitude })
}
