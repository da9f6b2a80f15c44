//! Measures how many single-reading deliveries per second the committer makes durable.
//!
//! `cargo run --release -p penstock-agent --example commit_rate [seconds] [in flight] [directory]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_agent::buffer::{Buffer, BufferSettings};
use penstock_agent::clock::{Clock, ClockSettings};
use penstock_agent::committer::{self, CommitLimits};
use penstock_agent::config::LimitSettings;
use penstock_agent::delivery::Delivery;
use penstock_agent::edge::Edge;
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use tokio::sync::mpsc;

const SERIES: usize = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let in_flight = arguments.next().map_or(Ok(400), |text| text.parse())?;
    let scratch = std::env::temp_dir().join(format!("penstock-commit-rate-{}", std::process::id()));
    let dir = arguments.next().map_or(scratch, Into::into);
    let buffer = Buffer::open(BufferSettings { quota_bytes: 4 << 30, ..BufferSettings::new(&dir) })?;
    let clock = Arc::new(Clock::open(&dir, ClockSettings::default()));
    let edge = Edge::new(&[], LimitSettings::default());
    let (handle, thread) = committer::spawn(buffer.clone(), CommitLimits::default(), edge, clock)?;
    let series: Vec<_> = (0..SERIES)
        .map(|n| Series::new("temperature", format!("gw-plant1/press{n}")).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let acknowledged = tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
        let (done, mut finished) = mpsc::channel(in_flight);
        let began = Instant::now();
        let mut sent = 0_usize;
        let mut acknowledged = 0_usize;
        while began.elapsed() < Duration::from_secs(seconds) {
            while sent - acknowledged < in_flight {
                let done = done.clone();
                let value = Value::Number(20.0 + f64::from(u16::try_from(sent % 1000).unwrap_or(0)) / 100.0);
                let reading = Reading {
                    series: Arc::clone(&series[sent % SERIES]),
                    time: TimestampMicros::now(),
                    value,
                };
                let acknowledge = move |outcome: Result<(), _>| {
                    // An error says that the measurement is over.
                    drop(outcome.map(|()| done.try_send(())));
                };
                let delivery = Delivery {
                    readings: vec![reading],
                    dead_letters: Vec::new(),
                    done: Box::new(acknowledge),
                };
                if handle.submit(delivery).await.is_err() {
                    return acknowledged;
                }
                sent += 1;
            }
            let mut arrived = Vec::new();
            acknowledged += finished.recv_many(&mut arrived, in_flight).await;
        }
        acknowledged
    });
    drop(handle);
    thread.join().map_err(|_| "committer panicked")?;
    let (last, readings) = buffer.newest();
    println!(
        "{} acknowledged/s, {} readings in {last} commits ({:.1} a commit), {} bytes a reading on disk, {}",
        acknowledged as u64 / seconds,
        readings,
        readings as f64 / last.0.max(1) as f64,
        buffer.bytes_on_disk() / readings.max(1),
        resident(),
    );
    drop(buffer);
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}
