//! What holds of every parser, whatever the bytes: no panic, nothing that cannot be stored, no message passed over in
//! silence, and at most 16 MB for one input.
//!
//! ```text
//! corpus/TARGET/… ─▶ libFuzzer (`tests/fuzz/run`) ─┐
//!        └─ mutations drawn from a seed ───────────┼─▶ check ─▶ one target a parser ─▶ outcome, memory
//! large: inputs of a megabyte ─────────────────────┘
//! ```
//!
//! The ordinary tests run all that is in the corpus, some thousand mutations of it, and all that is large; libFuzzer
//! searches on for as long as it is given.

mod dialect;
#[cfg(feature = "hub")]
mod events;
mod frames;
mod json;
pub mod large;
pub mod memory;
mod messages;
mod outcome;
mod records;
mod wire_frame;

use std::sync::atomic::{AtomicUsize, Ordering};

/// A parser under test, by the name of its corpus.
pub struct Target {
    /// Names the corpus, and libFuzzer's program.
    pub name: &'static str,
    /// Feeds one input, and panics when something does not hold.
    pub run: fn(&[u8]),
}

/// Every parser of what others send.
pub const TARGETS: &[Target] = &[
    Target { name: "json", run: json::target },
    Target { name: "home_assistant", run: dialect::home_assistant },
    Target { name: "tasmota_shelly", run: dialect::tasmota_shelly },
    Target { name: "influx_line", run: dialect::influx_line },
    Target { name: "senml_json", run: dialect::senml },
    Target { name: "senml_cbor", run: dialect::senml },
    Target { name: "sparkplug", run: dialect::sparkplug },
    Target { name: "serial_frames", run: frames::target },
    Target { name: "serial_records", run: records::target },
    Target { name: "nmea", run: records::nmea },
    Target { name: "wire_frame", run: wire_frame::target },
    #[cfg(feature = "hub")]
    Target { name: "events", run: events::target },
];

static TOLD: AtomicUsize = AtomicUsize::new(0);

/// Feeds one input to a target, for libFuzzer, and tells of memory as it grows.
///
/// # Panics
/// When something does not hold, or there is no such target.
pub fn check(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("{name} is no target")).run)(bytes);
    let peak = memory::peak();
    if peak > TOLD.load(Ordering::Relaxed) + TOLD.load(Ordering::Relaxed) / 8 {
        TOLD.store(peak, Ordering::Relaxed);
        eprintln!("{name}: {peak} bytes at most for one input so far");
    }
}
