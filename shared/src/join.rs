//! How a gateway enrols: with a code that the hub's operator gave it, by `POST /api/v1/join`.
//!
//! The gateway draws its token itself and hands it over together with the code, so that no answer holds a secret and a
//! lost answer loses nothing: the same code with the same token is answered alike until the invitation ends.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Crockford's base 32: no I, L, O and U, which are misread or make words.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// How many characters a code has, of 5 bits each.
const CODE_CHARACTERS: usize = 16;
/// How many characters stand together.
const GROUP: usize = 4;

/// What a gateway sends to enrol.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The code, as it was typed.
    pub code: String,
    /// The token that the gateway will use: 64 lower-case hexadecimal digits, drawn at random.
    pub token: String,
    /// The name that the gateway expects; the hub refuses where the invitation is for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// What the hub answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinAnswer {
    /// The gateway's name from now on.
    pub agent: String,
}

/// A code that enrols one gateway once: 80 random bits, shown as `XXXX-XXXX-XXXX-XXXX`.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinCode(String);

/// Says that a text is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a code has {CODE_CHARACTERS} letters and digits, such as 7QK3-M9FD-X2VB-8HNT")]
pub struct InvalidJoinCode;

impl JoinCode {
    /// Draws a fresh code.
    #[must_use]
    pub fn random() -> Self {
        let character = |bits: u8| char::from(ALPHABET[usize::from(bits % 32)]);
        Self(rand::random::<[u8; CODE_CHARACTERS]>().into_iter().map(character).collect())
    }

    /// Returns the code without its hyphens, as it is hashed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JoinCode {
    type Err = InvalidJoinCode;

    /// Takes a code as people type it: in either case, with or without hyphens and blanks, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<Self, InvalidJoinCode> {
        let typed = text.chars().filter(|c| !matches!(c, '-' | ' '));
        let code: Option<String> = typed
            .map(|c| match c.to_ascii_uppercase() {
                'O' => Some('0'),
                'I' | 'L' => Some('1'),
                c => u8::try_from(c).is_ok_and(|c| ALPHABET.contains(&c)).then_some(c),
            })
            .take(CODE_CHARACTERS + 1)
            .collect();
        code.filter(|code| code.len() == CODE_CHARACTERS).map(Self).ok_or(InvalidJoinCode)
    }
}

impl fmt::Display for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, character) in self.0.chars().enumerate() {
            if index > 0 && index % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinCode(…)")
    }
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest").field("agent", &self.agent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_however_it_is_typed() {
        let code = JoinCode::random();
        let shown = code.to_string();
        assert_eq!(shown.len(), 19);
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), shown.replace('-', " ")] {
            assert_eq!(typed.parse().as_ref(), Ok(&code), "{typed}");
        }
        let misread: JoinCode = "oiLO-0000-0000-000z".parse().expect("a code");
        assert_eq!(misread.to_string(), "0110-0000-0000-000Z");
    }

    #[test]
    fn what_is_no_code_is_refused_and_codes_do_not_show_in_logs() {
        for wrong in [
            "",
            "7QK3-M9FD-X2VB-8HN",
            "7QK3-M9FD-X2VB-8HNTT",
            "7QK3-M9FD-X2VB-8HNU",
            "7QK3_M9FD-X2VB-8HN",
            "äöü",
        ] {
            assert_eq!(wrong.parse::<JoinCode>(), Err(InvalidJoinCode), "{wrong:?}");
        }
        let code = JoinCode::random();
        assert_ne!(code, JoinCode::random());
        let request = JoinRequest { code: code.to_string(), token: "secret".to_owned(), agent: None };
        let shown = format!("{code:?} {request:?}");
        assert!(!shown.contains(code.as_str()) && !shown.contains("secret"), "{shown}");
    }
}
