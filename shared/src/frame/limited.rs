//! Reading a column of at most as many items as a frame has readings.
//!
//! One plain byte can stand for an item of thirty bytes in memory, an empty text for one: without the limit a
//! hostile body of 8 MiB would take hundreds.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::MAX_FRAME_READINGS;

/// Reads a column and refuses the item past the limit.
pub(super) fn column<'de, D: Deserializer<'de>, T: Deserialize<'de>>(source: D) -> Result<Vec<T>, D::Error> {
    source.deserialize_seq(Column(PhantomData))
}

struct Column<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Column<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_FRAME_READINGS} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let declared = items.size_hint().unwrap_or(0);
        if declared > MAX_FRAME_READINGS {
            return Err(A::Error::invalid_length(declared, &self));
        }
        let mut column = Vec::with_capacity(declared);
        while let Some(item) = items.next_element()? {
            if column.len() == MAX_FRAME_READINGS {
                return Err(A::Error::invalid_length(column.len() + 1, &self));
            }
            column.push(item);
        }
        Ok(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(items: usize) -> Result<Vec<String>, postcard::Error> {
        let bytes = postcard::to_allocvec(&vec![""; items]).expect("serialises");
        column(&mut postcard::Deserializer::from_bytes(&bytes))
    }

    #[test]
    fn a_column_holds_as_many_items_as_a_frame_readings_and_not_one_more() {
        assert_eq!(read(MAX_FRAME_READINGS).map(|column| column.len()), Ok(MAX_FRAME_READINGS));
        assert!(read(MAX_FRAME_READINGS + 1).is_err());
    }

    #[test]
    fn a_declared_length_beyond_the_bytes_takes_no_memory_of_its_own() {
        let declared = postcard::to_allocvec(&usize::MAX).expect("serialises");
        let column: Result<Vec<String>, _> = column(&mut postcard::Deserializer::from_bytes(&declared));
        assert!(column.is_err());
    }
}
