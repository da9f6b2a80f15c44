//! Damage costs what it hits, and what is read is what was written.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::log::LARGEST_BLOCK;
use super::super::look;
use super::{Sizes, Written};

const SECTOR_BYTES: usize = 512;

/// How often each kind of damage is done to each kind of segment.
fn rounds() -> u64 {
    std::env::var("PENSTOCK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4)
}

/// What a sector can cost: the entries of a page and the changes of pages beside it; never their neighbours.
fn most_lost(sizes: Sizes) -> usize {
    match sizes {
        Sizes::Small => 40,
        Sizes::Mixed => 32,
        // A page's sixteen pieces are of three entries at most, and the sector may lie in two pages.
        Sizes::Large => 6,
    }
}

#[test]
fn a_sector_of_zeros_costs_no_more_than_what_lies_in_it() {
    for sizes in Sizes::ALL {
        let written = Written::new(sizes, 1, 11);
        let bytes = written.bytes();
        let mut random = StdRng::seed_from_u64(12);
        let mut lost = Vec::new();
        for _ in 0..4 * rounds() {
            let mut damaged = bytes.clone();
            let at = random.random_range(0..bytes.len() / SECTOR_BYTES) * SECTOR_BYTES;
            damaged[at..at + SECTOR_BYTES].fill(0);
            written.replace(&damaged);
            lost.push(written.missing());
        }
        let most = lost.iter().max().copied().unwrap_or_default();
        println!(
            "{sizes:?}: a zeroed sector of {} cost {most} commits at most, {:.2} in the mean",
            bytes.len() / SECTOR_BYTES,
            lost.iter().sum::<usize>() as f64 / lost.len() as f64
        );
        assert!(most <= most_lost(sizes), "{sizes:?}: {lost:?}");
    }
}

#[test]
fn a_flipped_bit_costs_no_more_than_the_message_that_it_hits() {
    for sizes in Sizes::ALL {
        let written = Written::new(sizes, 1, 21);
        let bytes = written.bytes();
        let mut random = StdRng::seed_from_u64(22);
        let (mut lost, mut noticed) = (0, 0);
        for _ in 0..4 * rounds() {
            let mut damaged = bytes.clone();
            let at = random.random_range(0..bytes.len());
            damaged[at] ^= 1 << random.random_range(0..8);
            written.replace(&damaged);
            let missing = written.missing();
            assert!(missing <= 16, "{sizes:?}: {missing} missing");
            lost += missing;
            noticed += usize::from(look(&written.path()).unwrap().breaks > 0);
        }
        println!("{sizes:?}: {} flipped bits cost {lost} commits, {noticed} were seen", 4 * rounds());
        assert!(noticed > 0);
    }
}

#[test]
fn what_lies_before_the_end_of_a_cut_file_is_found() {
    for sizes in Sizes::ALL {
        let written = Written::new(sizes, 1, 31);
        let bytes = written.bytes();
        let mut random = StdRng::seed_from_u64(32);
        let mut before = usize::MAX;
        let mut cuts: Vec<usize> = (0..rounds()).map(|_| random.random_range(0..bytes.len())).collect();
        cuts.extend([0, 1, 19, 20, 21, LARGEST_BLOCK - 1, LARGEST_BLOCK, LARGEST_BLOCK + 1, bytes.len()]);
        cuts.sort_unstable();
        for cut in cuts {
            written.replace(&bytes[..cut.min(bytes.len())]);
            let missing = written.missing();
            assert!(missing <= before, "a longer file holds less");
            before = missing;
        }
        assert_eq!(before, 0);
    }
}

#[test]
fn blocks_in_another_order_and_garbage_behind_them_hide_nothing() {
    for sizes in Sizes::ALL {
        let written = Written::new(sizes, 1, 41);
        let mut bytes = written.bytes();
        assert!(bytes.len() >= 3 * LARGEST_BLOCK, "{}", bytes.len());
        let (head, tail) = bytes.split_at_mut(LARGEST_BLOCK);
        head.swap_with_slice(&mut tail[..LARGEST_BLOCK]);
        let mut random = StdRng::seed_from_u64(42);
        bytes.extend(std::iter::repeat_with(|| random.random::<u8>()).take(100_000));
        written.replace(&bytes);
        assert_eq!(written.missing(), 0, "{sizes:?}");
    }
}

#[test]
fn without_a_block_the_entries_of_all_others_are_found() {
    for sizes in Sizes::ALL {
        let written = Written::new(sizes, 1, 51);
        let bytes = written.bytes();
        for block in 0..bytes.len() / LARGEST_BLOCK {
            let mut damaged = bytes.clone();
            damaged[block * LARGEST_BLOCK..][..LARGEST_BLOCK].fill(0xA5);
            written.replace(&damaged);
            let (missing, all) = (written.missing(), written.entries.len());
            println!("{sizes:?}: without block {block}: {missing} of {all} missing");
            assert!(missing <= all * 2 * LARGEST_BLOCK / bytes.len() + 16, "{sizes:?}: {missing}");
        }
    }
}

#[test]
fn whatever_happens_to_the_file_nothing_else_than_what_was_written_is_read() {
    for sizes in Sizes::ALL {
        let written = Written::new(sizes, 1, 61);
        let bytes = written.bytes();
        for seed in 0..rounds() {
            let mut random = StdRng::seed_from_u64(600 + seed);
            let mut damaged = bytes.clone();
            for _ in 0..random.random_range(1..40) {
                mutate(&mut damaged, &mut random);
            }
            written.replace(&damaged);
            let missing = written.missing();
            println!("{sizes:?}: seed {seed}: {missing} of {} missing", written.entries.len());
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut StdRng) {
    if bytes.is_empty() {
        return;
    }
    let at = random.random_range(0..bytes.len());
    let length = random.random_range(1..20_000).min(bytes.len() - at);
    match random.random_range(0..7) {
        0 => bytes[at] ^= 1 << random.random_range(0..8),
        1 => bytes[at..at + length].fill(0),
        2 => random.fill(&mut bytes[at..at + length]),
        // The same bytes once more, elsewhere.
        3 => {
            let to = random.random_range(0..=bytes.len() - length);
            bytes.copy_within(at..at + length, to);
        }
        4 => bytes.extend_from_within(at..at + length),
        5 if random.random_range(0..4) == 0 => bytes.truncate(at.max(bytes.len() / 4 * 3)),
        // Everything behind is where it does not belong.
        5 | 6 => {
            bytes.drain(at..at + length.min(1000));
        }
        _ => unreachable!("seven ways"),
    }
}
