//! Reading a column of at most as many items as a frame has readings, a dictionary of at most as many as it has series,
//! and labels of at most as many as a series has.
//!
//! One plain byte can stand for an item of thirty bytes in memory, an empty text for one: without the limit a
//! hostile body of 8 MiB would take hundreds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{MAX_FRAME_READINGS, MAX_FRAME_SERIES};
use crate::reading::MAX_LABELS;

/// Reads a column and refuses the item past the limit.
pub(super) fn column<'de, D: Deserializer<'de>, T: Deserialize<'de>>(source: D) -> Result<Vec<T>, D::Error> {
    source.deserialize_seq(AtMost(MAX_FRAME_READINGS, PhantomData))
}

/// Reads a column of the dictionary and refuses the series past the limit.
pub(super) fn dictionary<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    source: D,
) -> Result<Vec<T>, D::Error> {
    source.deserialize_seq(AtMost(MAX_FRAME_SERIES, PhantomData))
}

/// Reads the column of labels and refuses the label past a series' limit.
pub(super) fn labels<'de, 'a, D: Deserializer<'de>>(
    source: D,
) -> Result<Vec<Cow<'a, BTreeMap<String, String>>>, D::Error> {
    let column: Vec<Labels> = dictionary(source)?;
    Ok(column.into_iter().map(|Labels(labels)| Cow::Owned(labels)).collect())
}

struct Labels(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_LABELS} labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Labels, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry()? {
            if labels.len() == MAX_LABELS {
                return Err(A::Error::invalid_length(MAX_LABELS + 1, &self));
            }
            labels.insert(name, value);
        }
        Ok(Labels(labels))
    }
}

struct AtMost<T>(usize, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtMost<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} items", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let declared = items.size_hint().unwrap_or(0);
        if declared > self.0 {
            return Err(A::Error::invalid_length(declared, &self));
        }
        let mut column = Vec::with_capacity(declared);
        while let Some(item) = items.next_element()? {
            if column.len() == self.0 {
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
    fn a_dictionary_holds_as_many_series_as_allowed_and_not_one_more() {
        let read = |items: usize| {
            let bytes = postcard::to_allocvec(&vec![""; items]).expect("serialises");
            dictionary::<_, String>(&mut postcard::Deserializer::from_bytes(&bytes)).map(|read| read.len())
        };
        assert_eq!(read(MAX_FRAME_SERIES), Ok(MAX_FRAME_SERIES));
        assert!(read(MAX_FRAME_SERIES + 1).is_err());
    }

    #[test]
    fn a_series_has_as_many_labels_as_allowed_and_not_one_more() {
        let read = |count: usize| {
            let each: BTreeMap<_, _> = (0..count).map(|name| (name.to_string(), String::new())).collect();
            let bytes = postcard::to_allocvec(&vec![each]).expect("serialises");
            labels(&mut postcard::Deserializer::from_bytes(&bytes)).map(|column| column[0].len())
        };
        assert_eq!(read(MAX_LABELS), Ok(MAX_LABELS));
        assert!(read(MAX_LABELS + 1).is_err());
    }

    #[test]
    fn a_declared_length_beyond_the_bytes_takes_no_memory_of_its_own() {
        let declared = postcard::to_allocvec(&usize::MAX).expect("serialises");
        let column: Result<Vec<String>, _> = column(&mut postcard::Deserializer::from_bytes(&declared));
        assert!(column.is_err());
    }
}
