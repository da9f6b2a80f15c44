//! Bytes that never were a segment: no panic, an end, and bounded memory, as everything found has its place in them.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::log::{LARGEST_BLOCK, Messages};
use super::super::{Source, page, scan};

impl Source for [u8] {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let length = rest.len().min(bytes.len());
        bytes[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

impl Source for Vec<u8> {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.as_slice().read_at(bytes, offset)
    }
}

#[test]
fn blocks_of_one_byte_and_of_random_bytes_hold_nothing() {
    let mut random = StdRng::seed_from_u64(1);
    for fill in [0x00, 0x01, 0x08, 0x0A, 0xA5, 0xF1, 0xF9, 0xFA, 0xFF] {
        let found = scan(&vec![fill; 2 * LARGEST_BLOCK + 77], &(0..=u64::MAX)).unwrap();
        assert!(found.is_empty());
    }
    let noise: Vec<u8> = std::iter::repeat_with(|| random.random()).take(3 * LARGEST_BLOCK).collect();
    assert!(scan(&noise, &(0..=u64::MAX)).unwrap().is_empty());
}

#[test]
fn bytes_that_make_every_offset_a_long_message_come_to_an_end() {
    // At every third byte: kind 10, a length of some 60 kB, checksums that never hold.
    let hostile: Vec<u8> = [10, 249, 230].into_iter().cycle().take(LARGEST_BLOCK).collect();
    let mut messages = Messages::of(&hostile, LARGEST_BLOCK);
    assert!(messages.next().is_none());
    assert_eq!(messages.breaks, 1, "given up");
}

proptest! {
    #[test]
    fn no_page_and_no_change_panics(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Some(leaf) = page::leaf(&body) {
            prop_assert!(leaf.entries.iter().all(|(_, value)| value.end <= body.len()));
        }
        if let Some((_, value)) = page::set(&body) {
            prop_assert!(value.end <= body.len());
        }
    }

    #[test]
    fn small_numbers_everywhere_do_not_panic(body in proptest::collection::vec(0_u8..12, 0..2000)) {
        prop_assert!(page::leaf(&body).is_none_or(|leaf| leaf.entries.len() <= body.len()));
        prop_assert!(scan(&body, &(0..=u64::MAX)).unwrap().is_empty());
    }
}
