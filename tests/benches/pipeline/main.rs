//! What the pipeline does in a second, each figure beside a yardstick taken in the same run.
//!
//! `cargo bench -p penstock-tests --bench pipeline` runs every section; names after `--` choose some:
//! `hub`, `agent`, `latency`, `gateways`, `bytes`, `memory`, `sources`. The programs must have been built for release:
//! `cargo build --release -p penstock-agent -p penstock-hub`.

mod agent;
mod bytes;
mod data;
mod gateways;
mod hub;
mod latency;
mod memory;
mod sink;
mod sources;
mod table;

use table::Table;

#[tokio::main]
async fn main() {
    // cargo adds `--bench`.
    let chosen: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |section: &str| chosen.is_empty() || chosen.iter().any(|name| name == section);
    let mut table = Table::default();
    if wanted("bytes") {
        bytes::measure(&mut table);
    }
    if wanted("agent") {
        agent::measure(&mut table).await;
    }
    if wanted("sources") {
        sources::measure(&mut table).await;
    }
    if wanted("memory") {
        memory::measure(&mut table).await;
    }
    if wanted("hub") {
        hub::measure(&mut table, 50, 1_000_000).await;
        hub::measure(&mut table, 1000, 600_000).await;
    }
    if wanted("gateways") {
        gateways::measure(&mut table).await;
    }
    if wanted("latency") {
        latency::measure(&mut table).await;
    }
    print!("{table}");
}
