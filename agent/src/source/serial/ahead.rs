//! Reads on while the disk is waited for: a line does not wait, and the kernel keeps little of it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_shared::reading::TimestampMicros;
use tokio::io::AsyncReadExt;
use tokio_serial::SerialStream;

use crate::clock::{self, Clock};

/// As much as the kernel keeps of a line; a commit has no more than what this holds.
const READ_BYTES: usize = 4096;
/// Five seconds at 115,200 baud. What comes when it is full waits with the kernel, as far as that has room.
const MAX_BYTES: usize = 64 * 1024;
/// Start bit, eight data bits, stop bit.
const BITS_A_BYTE: u64 = 10;

/// An open port, and what came from it and was not looked at yet.
pub(super) struct Ahead {
    pub(super) port: SerialStream,
    buffer: Vec<u8>,
    bytes: Vec<u8>,
    read_at: TimestampMicros,
    /// When the last byte came that was taken.
    since: TimestampMicros,
    pub(super) heard: Instant,
    end: Option<String>,
    byte_time: Duration,
    clock: Arc<Clock>,
}

impl Ahead {
    pub(super) fn new(port: SerialStream, baud: u32, clock: Arc<Clock>) -> Self {
        let now = clock.now();
        Self {
            port,
            buffer: vec![0; READ_BYTES],
            bytes: Vec::new(),
            since: now,
            read_at: now,
            clock,
            heard: Instant::now(),
            end: None,
            byte_time: byte_time(baud),
        }
    }

    /// Waits for bytes or for the port's end. Cancel-safe: nothing is taken before it is ready.
    pub(super) async fn read(&mut self) {
        match self.port.read(&mut self.buffer).await {
            // A port whose device is gone is at its end for ever.
            Ok(0) => self.end = Some("the device is gone".to_owned()),
            Ok(count) => {
                self.bytes.extend_from_slice(&self.buffer[..count]);
                self.read_at = self.clock.now();
                self.heard = Instant::now();
            }
            Err(error) => self.end = Some(error.to_string()),
        }
    }

    /// Does `work`, and reads meanwhile.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let has_room = self.end.is_none() && self.bytes.len() < MAX_BYTES;
            // Both branches are cancel-safe: the work is kept over the turns, the read takes nothing before it is ready.
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.read(), if has_room => {}
            }
        }
    }

    /// Takes the oldest bytes, and when the last of them came.
    pub(super) fn take(&mut self) -> Option<(Vec<u8>, TimestampMicros)> {
        let total = self.bytes.len();
        let rest = self.bytes.split_off(self.bytes.len().min(READ_BYTES));
        let taken = std::mem::replace(&mut self.bytes, rest);
        if taken.is_empty() {
            return None;
        }
        self.since = before(self.read_at, self.bytes.len(), total, self.since, self.byte_time);
        Some((taken, self.since))
    }

    /// Returns why nothing more will come, once everything was taken.
    pub(super) fn ended(&self) -> Option<String> {
        self.end.clone().filter(|_| self.bytes.is_empty())
    }
}

/// Returns how long one byte takes on the line.
pub(super) fn byte_time(baud: u32) -> Duration {
    Duration::from_micros(BITS_A_BYTE * 1_000_000 / u64::from(baud.max(1)))
}

/// Returns when a byte came that others came behind: they took their time on the line, and all of `total` came after
/// `since`. A line that is faster than its baud tells, as those of USB may be, has its bytes spread evenly.
pub(super) fn before(
    read_at: TimestampMicros,
    behind: usize,
    total: usize,
    since: TimestampMicros,
    byte_time: Duration,
) -> TimestampMicros {
    let window = read_at.0.saturating_sub(since.0);
    // The clock was set, or set back: what it said before tells nothing.
    if window <= 0 || clock::is_stamp(since) != clock::is_stamp(read_at) {
        return read_at;
    }
    let step = (byte_time.as_micros() as f64).min(window as f64 / (total.max(behind) + 1) as f64);
    TimestampMicros(read_at.0.saturating_sub((behind as f64 * step) as i64))
}
