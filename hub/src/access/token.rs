//! A secret and its hash. Only the hash is ever kept.

use std::fmt;

use sha2::{Digest, Sha256};

/// How many random bytes a token has.
const TOKEN_BYTES: usize = 32;
/// The longest text that is looked at as a token.
const MAX_TOKEN_CHARACTERS: usize = 128;

/// A secret that proves who is calling: 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// SHA-256 of a token. A token is random and long, so that no salt or slow hash is needed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl Token {
    /// Draws a fresh token from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(hex(&rand::random::<[u8; TOKEN_BYTES]>()))
    }

    /// Takes what a caller presents; none when it cannot be a token.
    #[must_use]
    pub fn presented(text: &str) -> Option<Self> {
        let plausible = !text.is_empty() && text.len() <= MAX_TOKEN_CHARACTERS;
        plausible.then(|| Self(text.to_owned()))
    }

    /// Takes a token that a gateway drew itself; none when it has not the length and the digits of ours.
    #[must_use]
    pub fn drawn(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_one = text.len() == 2 * TOKEN_BYTES && text.bytes().all(is_digit);
        is_one.then(|| Self(text.to_owned()))
    }

    /// Returns the hash under which the token is kept.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }

    /// Returns the secret, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TokenHash {
    /// Hashes a secret.
    pub(super) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({self})")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_as_its_sha256() {
        let token = Token::presented("abc").expect("a text");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(token.hash().to_string(), expected);
    }

    #[test]
    fn tokens_are_long_and_differ_and_do_not_show_in_logs() {
        let (one, other) = (Token::random(), Token::random());
        assert_eq!(one.reveal().len(), 64);
        assert_ne!(one, other);
        assert!(!format!("{one:?}").contains(one.reveal()));
        assert_eq!(Token::drawn(one.reveal()), Some(one));
        for weak in ["", "00", &"A".repeat(64), &"g".repeat(64), &"0".repeat(65)] {
            assert_eq!(Token::drawn(weak), None, "{weak:?}");
        }
    }
}
