//! JSON of others, parsed only where what it becomes stays small: a megabyte of text can become a hundred.
//!
//! `{"":1}` has seven bytes and takes seven hundred in memory. What a text would take is told beforehand by what opens
//! and what parts values in it.

use serde::de::DeserializeOwned;

use super::reason::{Reason, Undecodable};

/// What parsed JSON may take in memory.
const MAX_PARSED_BYTES: usize = 8 << 20;
/// A shorter text cannot become more, however dense it is.
const ALWAYS_SMALL_BYTES: usize = 32 * 1024;
/// A node of an object's tree has room for eleven members. Another crate of the workspace may have serde_json keep the
/// order of members, in a list and a table: then an object begins smaller and grows faster.
const OBJECT_BYTES: usize = 640;
/// A list has room for four values.
const LIST_BYTES: usize = 128;
/// One value more. Lists double when they grow, and then both the old and the new values are there.
const NEXT_BYTES: usize = 96;
/// What a member takes beyond that.
const MEMBER_BYTES: usize = 160;

/// Parses JSON. serde_json refuses more than 128 levels and numbers beyond f64 by itself.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Undecodable> {
    if bytes.len() > ALWAYS_SMALL_BYTES && parsed_bytes(bytes) > MAX_PARSED_BYTES {
        let detail = format!("the values of {} bytes of JSON would take more than 8 MiB", bytes.len());
        return Err(Undecodable::new(Reason::TooManyValues, detail));
    }
    serde_json::from_slice(bytes).map_err(|error| Undecodable::new(Reason::BadJson, error.to_string()))
}

/// Tells at most how much memory a text takes when it is parsed, its names and texts aside.
fn parsed_bytes(text: &[u8]) -> usize {
    let (mut total, mut quoted) = (0, false);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => drop(bytes.next()),
            b'{' if !quoted => total += OBJECT_BYTES,
            b'[' if !quoted => total += LIST_BYTES,
            b',' if !quoted => total += NEXT_BYTES,
            b':' if !quoted => total += MEMBER_BYTES,
            _ => {}
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    fn reason(text: &str) -> Option<Reason> {
        parse::<Json>(text.as_bytes()).err().map(|fault| fault.reason)
    }

    #[test]
    fn what_would_fill_the_memory_is_refused_before_it_is_parsed() {
        let members: String = (0..75_000).map(|number| format!("\"m{number}\":1,")).collect();
        assert_eq!(reason(&format!("{{{members}\"m\":1}}")), Some(Reason::TooManyValues));
        for each in ["1,", "[1],", "{\"\":1},", "{\"a\":[{\"b\":1}]},"] {
            let dense = format!("[{}1]", each.repeat(900_000 / each.len()));
            assert_eq!(reason(&dense), Some(Reason::TooManyValues), "{each}");
        }
    }

    #[test]
    fn what_is_long_without_many_values_is_parsed() {
        let text = "\\\"{[,".repeat(100_000);
        assert_eq!(reason(&format!("{{\"value\":\"{text}\"}}")), None);
        assert_eq!(reason(&format!("[{}1]", "1,".repeat(50_000))), None);
    }

    #[test]
    fn no_short_text_is_too_much() {
        let nested = format!("{}1{},", "{\"\":".repeat(100), "}".repeat(100));
        for each in ["{\"\":1},", &nested] {
            let densest = format!("[{}1]", each.repeat(ALWAYS_SMALL_BYTES / each.len()));
            assert!(parsed_bytes(densest.as_bytes()) < MAX_PARSED_BYTES, "{each}");
        }
    }
}
