//! What sled's pages and changes of pages say, as keys and values. Pure.
//!
//! A page's keys leave out the beginning that they share; a change's key leaves out what the page's keys do, and does
//! not say what that is.
//!
//! ```text
//! page     next page, merging child: varint each; merging, bytes shared: one byte each; lowest, highest key; 0 for a leaf;
//!          number of entries; keys; values
//! change   0 for one that sets; key; value
//! ```

use std::ops::Range;

use super::cursor::Cursor;

const LEAF: u8 = 0;
const SET: u8 = 0;

/// The entries of a page.
#[derive(Debug, PartialEq)]
pub(super) struct Leaf<'a> {
    /// What every key begins with.
    pub(super) prefix: &'a [u8],
    /// The rest of each key, and where its value lies in the body.
    pub(super) entries: Vec<(&'a [u8], Range<usize>)>,
}

/// Reads a page; none for one that holds no entries.
pub(super) fn leaf(body: &[u8]) -> Option<Leaf<'_>> {
    let mut cursor = Cursor::at(body, 0);
    cursor.varint()?;
    cursor.varint()?;
    cursor.byte()?;
    let shared = usize::from(cursor.byte()?);
    let lowest = cursor.counted()?;
    cursor.counted()?;
    if cursor.byte()? != LEAF {
        return None;
    }
    let count = cursor.varint()?;
    let mut keys = Vec::new();
    for _ in 0..count {
        keys.push(&body[cursor.counted()?]);
    }
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys {
        entries.push((key, cursor.counted()?));
    }
    Some(Leaf { prefix: body[lowest].get(..shared)?, entries })
}

/// Reads a change that sets a value: the rest of its key, and where the value lies in the body.
pub(super) fn set(body: &[u8]) -> Option<(&[u8], Range<usize>)> {
    let mut cursor = Cursor::at(body, 0);
    if cursor.byte()? != SET {
        return None;
    }
    Some((&body[cursor.counted()?], cursor.counted()?))
}
