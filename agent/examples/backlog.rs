//! Fills a buffer with a backlog, drains it again, and prints memory and disk on the way.
//!
//! `cargo run --release -p penstock-agent --example backlog [mebibytes] [mebibytes of a segment] [fill|drain|both] [directory]`
//!
//! `fill` and then `drain` in a process of its own tells the memory of an agent that starts with a backlog.

use std::sync::Arc;
use std::time::Instant;

use penstock_agent::buffer::{Buffer, BufferSettings, Group, Lane, ReadLimits, SentCommit};
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};

const SERIES: usize = 50;
const GROUP_READINGS: usize = 400;
const LIMITS: ReadLimits =
    ReadLimits { readings: 8000, readings_cap: 65_536, text_bytes_cap: 512 << 10, commits: usize::MAX };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mebibytes: u64 = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let segment: u64 = arguments.next().map_or(Ok(4), |text| text.parse())?;
    let part = arguments.next().unwrap_or_else(|| "both".to_owned());
    let scratch = std::env::temp_dir().join(format!("penstock-backlog-{}", std::process::id()));
    let dir = arguments.next().map_or(scratch, Into::into);
    let settings = BufferSettings {
        quota_bytes: (mebibytes << 20) * 2,
        segment_bytes: segment << 20,
        ..BufferSettings::new(&dir)
    };
    let buffer = Buffer::open(settings.clone())?;
    println!("empty: {}", resident());
    if part != "drain" {
        fill(&buffer, mebibytes << 20)?;
    }
    drop(buffer);
    if part == "fill" {
        return Ok(());
    }
    let began = Instant::now();
    let buffer = Buffer::open(settings)?;
    println!("opened in {:?}: {}", began.elapsed(), resident());
    drain(&buffer)?;
    drop(buffer);
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn fill(buffer: &Buffer, bytes: u64) -> Result<(), Box<dyn std::error::Error>> {
    let series: Vec<_> = (0..SERIES)
        .map(|n| Series::new("temperature", format!("gw-plant1/press{n}")).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let began = Instant::now();
    let mut noise = 1_u64;
    while buffer.bytes_on_disk() < bytes {
        let received_at = TimestampMicros::now();
        let reading = |place: usize| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            Reading {
                series: Arc::clone(&series[place % SERIES]),
                time: received_at,
                value: Value::Number((noise >> 12) as f64),
            }
        };
        let readings = (0..GROUP_READINGS).map(reading).collect();
        buffer.append(&Group { readings, received_at, ..Group::default() })?;
    }
    let (last, readings) = buffer.newest();
    let rate = readings as f64 / began.elapsed().as_secs_f64();
    println!(
        "filled: {} MiB, {readings} readings in {last} commits, {rate:.0} readings/s: {}",
        buffer.bytes_on_disk() >> 20,
        resident()
    );
    Ok(())
}

fn drain(buffer: &Buffer) -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let mut drained = 0;
    loop {
        let run = buffer.read(Lane::Main, buffer.confirmed().0.next(), &LIMITS)?;
        let Some(last) = run.commits.last() else { break };
        let sent = SentCommit {
            number: last.commit.number,
            readings: 0,
            readings_through: last.totals.readings,
            received_at: last.received_at,
        };
        buffer.confirm(Lane::Main, last.commit.number, &[sent])?;
        drained += run.commits.iter().map(|stored| stored.commit.readings.len()).sum::<usize>();
    }
    let rate = drained as f64 / began.elapsed().as_secs_f64();
    println!(
        "drained: {} MiB left, {rate:.0} readings/s, {:?}: {}",
        buffer.bytes_on_disk() >> 20,
        buffer.counts(),
        resident()
    );
    Ok(())
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}
