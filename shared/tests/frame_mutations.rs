//! Damaged frames whose checksum is right: the reader answers every one of them.

use std::sync::Arc;

use penstock_shared::batch::{Batch, Commit};
use penstock_shared::frame;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const MUTATIONS: usize = 20_000;
const MOST_CHANGES: usize = 6;

/// A frame with every kind of column.
fn sealed(dice: &mut StdRng) -> Vec<u8> {
    let series = ["temperature", "door", "power", "state"]
        .map(|name| Arc::new(Series::new(name, format!("gw1/{name}")).expect("a valid series")));
    let readings = (0..200).map(|number| {
        let index = dice.random_range(0..series.len());
        let value = match index {
            0 => Value::Number(f64::from(dice.random_range(2_000..2_100)) / 100.0),
            1 => Value::Boolean(dice.random()),
            2 => Value::Number(f64::from_bits(dice.random())),
            _ => Value::Text("running at nominal speed".into()),
        };
        let time = TimestampMicros(1_790_000_000_000_000 + number * 20_000 + dice.random_range(0..4) * 1_000);
        Reading { series: Arc::clone(&series[index]), time, value }
    });
    let batch = Batch {
        agent: AgentId::new("gw1").expect("a valid id"),
        epoch: Epoch(7),
        gaps: Vec::new(),
        received_at: TimestampMicros(1_790_000_000_000_000),
        commits: vec![Commit { number: CommitNumber(1), readings: readings.collect() }],
    };
    frame::seal(&batch).expect("seals")
}

fn length_at(bytes: &[u8], offset: usize) -> usize {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes")) as usize
}

/// Splits a frame into what stands before the body's lengths, and the plain body.
fn taken_apart(sealed: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let lengths_at = 5 + length_at(sealed, 1);
    let body = &sealed[lengths_at + 8..sealed.len() - 8];
    let plain = zstd::bulk::decompress(body, length_at(sealed, lengths_at)).expect("decompresses");
    (sealed[..lengths_at].to_vec(), plain)
}

fn put_together(head: &[u8], plain_bytes: usize, body: &[u8]) -> Vec<u8> {
    let mut forged = head.to_vec();
    forged.extend((plain_bytes as u32).to_le_bytes());
    forged.extend((body.len() as u32).to_le_bytes());
    forged.extend(body);
    forged.extend(xxhash_rust::xxh3::xxh3_64(&forged).to_le_bytes());
    forged
}

/// Flips, replaces, cuts out, doubles and inserts.
fn damage(bytes: &mut Vec<u8>, dice: &mut StdRng) {
    for _ in 0..dice.random_range(1..=MOST_CHANGES) {
        let at = dice.random_range(0..=bytes.len().saturating_sub(1));
        let end = (at + dice.random_range(0..20)).min(bytes.len());
        match dice.random_range(0..6) {
            _ if bytes.is_empty() => bytes.push(dice.random()),
            0 => bytes[at] ^= 1 << dice.random_range(0..8),
            1 => bytes[at] = dice.random(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.extend_from_within(at..end),
            _ => drop(bytes.splice(at..at, [0xff; 9])),
        }
    }
}

#[test]
fn no_damaged_column_makes_the_reader_panic() {
    let mut dice = StdRng::seed_from_u64(11);
    let (mut refused, mut accepted) = (0, 0);
    for _ in 0..MUTATIONS / 100 {
        let (head, plain) = taken_apart(&sealed(&mut dice));
        for _ in 0..100 {
            let mut damaged = plain.clone();
            damage(&mut damaged, &mut dice);
            let body = zstd::bulk::compress(&damaged, 1).expect("compresses");
            match frame::open(&put_together(&head, damaged.len(), &body)) {
                Ok(batch) => {
                    accepted += 1;
                    frame::seal(&batch).expect("what was read can be written");
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > accepted && accepted > 0, "{refused} refused, {accepted} accepted");
}

#[test]
fn no_damaged_compression_or_header_makes_the_reader_panic() {
    let mut dice = StdRng::seed_from_u64(12);
    for _ in 0..MUTATIONS / 100 {
        let whole = sealed(&mut dice);
        for _ in 0..100 {
            let mut damaged = whole[..whole.len() - 8].to_vec();
            // Half of the rounds leave the length of the header alone, so that the damage comes through.
            let keep = if dice.random() { 5 } else { 0 };
            let mut tail = damaged.split_off(keep);
            damage(&mut tail, &mut dice);
            damaged.extend(tail);
            damaged.extend(xxhash_rust::xxh3::xxh3_64(&damaged).to_le_bytes());
            let _refused_or_not = (frame::read_header(&damaged).is_ok(), frame::open(&damaged).is_ok());
        }
    }
}
