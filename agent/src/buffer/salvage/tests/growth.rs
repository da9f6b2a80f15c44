//! How far sled's log moves on between two fsyncs: by an extent it would use one again that the disk still needs.

use std::path::Path;

use super::*;
use crate::buffer::extent::PIECE_OVERHEAD;
use crate::buffer::salvage::walk;

/// Returns the end of the log in the order of writing.
fn end_of(dir: &Path) -> u64 {
    let file = std::fs::File::open(dir.join("db")).unwrap();
    let mut end = 0;
    walk(&file, |message, _| end = end.max(message.sequence + message.body.len() as u64)).unwrap();
    end
}

#[test]
fn the_log_moves_on_by_less_than_an_extent_between_two_fsyncs() {
    let mut random = StdRng::seed_from_u64(7);
    for segment_bytes in [16_000, 100_000, 512 << 10, 8 << 20] {
        let extent = Extent::for_segments(segment_bytes);
        for text_bytes in [1, 60, 300, 4_000, 12_000] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("s");
            let segment = Segment::open_with(&path, CommitNumber(1), extent).unwrap();
            let (mut number, mut unsynced, mut end, mut most, mut looks) = (0, 0, 0, 0, 0);
            while segment.data_bytes() < segment_bytes && number < 3_000 {
                number += 1;
                let text = random.random_range(text_bytes / 2..=text_bytes);
                let entry = entry(number, number, text, &mut random);
                // One after the other, to look between them.
                for (place, piece) in entry.chunks(extent.piece_bytes()).enumerate() {
                    let bytes = piece.len() + PIECE_OVERHEAD;
                    if unsynced + bytes > extent.unsynced_bytes() {
                        segment.make_durable().unwrap();
                        let before = std::mem::replace(&mut end, end_of(&path));
                        most = most.max(end - before);
                        looks += 1;
                        unsynced = 0;
                    }
                    unsynced += bytes;
                    segment.put_some(CommitNumber(number), &entry, place..place + 1).unwrap();
                }
            }
            assert!(looks > 2, "looked {looks} times");
            println!("extents of {}, texts of {text_bytes}: by {most} at most", extent.bytes());
            assert!(most < extent.bytes(), "{most} of {}", extent.bytes());
        }
    }
}
