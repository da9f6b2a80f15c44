//! Writes the inputs of a megabyte to files below `PENSTOCK_LARGE`, for libFuzzer to begin with. A program of libFuzzer
//! itself, so that nothing is built twice.
#![no_main]

use std::path::PathBuf;

libfuzzer_sys::fuzz_target!(init: write(), |_bytes: &[u8]| {});

fn write() {
    let directory =
        PathBuf::from(std::env::var_os("PENSTOCK_LARGE").expect("PENSTOCK_LARGE names a directory"));
    for (number, (target, bytes)) in penstock_fuzz::large::inputs().into_iter().enumerate() {
        let folder = directory.join(target);
        std::fs::create_dir_all(&folder).expect("the directory is writable");
        std::fs::write(folder.join(number.to_string()), bytes).expect("the directory is writable");
    }
}
