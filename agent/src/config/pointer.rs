//! Paths into a JSON payload, as RFC 6901 writes them.

/// Points at one value of a JSON payload: empty for the whole, else `/member/0/member`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonPointer(String);

/// Says that a text is no JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no JSON pointer: it must be empty or begin with '/', and '~' only stand as ~0 or ~1")]
pub struct InvalidPointer(String);

impl JsonPointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// When it neither is empty nor begins with `/`, or has a bare `~`.
    pub fn parse(text: &str) -> Result<Self, InvalidPointer> {
        let escapes_hold = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escapes_hold {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPointer(text.to_owned()))
        }
    }

    /// Tells whether it means the whole payload.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the pointer as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_checked_where_they_are_made() {
        assert!(["", "/a", "/a/0/b~1c"].into_iter().all(|text| JsonPointer::parse(text).is_ok()));
        assert!(["a", "$.a", "/a~", "/a~2"].into_iter().all(|text| JsonPointer::parse(text).is_err()));
    }
}
