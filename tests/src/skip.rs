//! Skipping a test where the machine does not allow it, and never without a word.

use std::fmt::Display;

/// Says that a test is skipped for want of a mount. `tests/run` sets `PENSTOCK_MOUNTS=required` where mounts work; the
/// test fails there.
///
/// # Panics
/// Where mounts are required.
pub fn without_mount(reason: &dyn Display) {
    let required = std::env::var("PENSTOCK_MOUNTS").is_ok_and(|value| value == "required");
    assert!(!required, "mounts work here, yet: {reason}");
    println!("SKIPPED: {reason}");
}
