//! libFuzzer's way into `penstock_fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| penstock_fuzz::check("wire_frame", bytes));
