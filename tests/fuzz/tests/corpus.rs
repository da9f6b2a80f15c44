//! Everything that is kept, and much like it, through every parser; `PENSTOCK_SEED` repeats a run's mutations.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use penstock_fuzz::{TARGETS, Target, large};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const MUTATIONS: usize = 3_000;
const MOST_CHANGES: usize = 6;
/// What values are written with, and what is at the edge of them.
const WORDS: [&[u8]; 16] = [
    b"1e999",
    b"NaN",
    b"-0",
    b"null",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"\\",
    b"18446744073709551616",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x1e",
];

/// Memory is counted for the whole program, so that one test runs at a time where they share one.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let files = fs::read_dir(&folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a folder can be read").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file can be read"))).collect()
}

fn seed() -> u64 {
    let told = std::env::var("PENSTOCK_SEED").ok().and_then(|text| text.parse().ok());
    told.unwrap_or_else(|| rand::rng().random())
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut StdRng) {
    for _ in 0..dice.random_range(1..=MOST_CHANGES) {
        let at = dice.random_range(0..=bytes.len());
        let end = (at + dice.random_range(0..40)).min(bytes.len());
        match dice.random_range(0..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = dice.random(),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.extend_from_within(at..end),
            4 => drop(bytes.splice(at..end, WORDS[dice.random_range(0..WORDS.len())].iter().copied())),
            5 if !other.is_empty() => {
                let from = dice.random_range(0..other.len());
                let to = (from + dice.random_range(0..60)).min(other.len());
                drop(bytes.splice(at..at, other[from..to].iter().copied()));
            }
            _ => bytes.truncate(at),
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_stands_it() {
    let _alone = alone();
    for target in TARGETS {
        let corpus = corpus(target);
        assert!(corpus.len() >= 3, "{} has {} seeds", target.name, corpus.len());
        for (path, bytes) in corpus {
            println!("{}", path.display());
            (target.run)(&bytes);
        }
    }
}

#[test]
fn every_target_stands_mutations_of_its_corpus() {
    let _alone = alone();
    let seed = seed();
    println!("PENSTOCK_SEED={seed}");
    for target in TARGETS {
        let mut dice = StdRng::seed_from_u64(seed);
        let corpus = corpus(target);
        for number in 0..MUTATIONS {
            let mut bytes = corpus[dice.random_range(0..corpus.len())].1.clone();
            mutate(&mut bytes, &corpus[dice.random_range(0..corpus.len())].1, &mut dice);
            // A panic names the input by its place; the seed makes it again.
            println!("{} {number}", target.name);
            (target.run)(&bytes);
        }
    }
}

#[test]
fn every_target_stands_a_megabyte_in_sixteen() {
    let _alone = alone();
    for (number, (name, bytes)) in large::inputs().into_iter().enumerate() {
        println!("{name} {number}: {:?} …", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
        if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
            (target.run)(&bytes);
        }
    }
}
