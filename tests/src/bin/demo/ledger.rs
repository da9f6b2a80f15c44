//! Counts the readings at every station of their way.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use mongodb::Client;
use penstock_shared::report::RecordCounts;
use penstock_tests::live::Live;
use penstock_tests::plant::{Plant, Totals};
use penstock_tests::recount::{stored_readings, stored_rollups};
use penstock_tests::world::program;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::stations::Stations;

/// How long the last readings may take to reach every station.
const SETTLE: Duration = Duration::from_secs(30);
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
const GLANCE: Duration = Duration::from_millis(100);

/// Watches what is pushed from the start on, as a dashboard would.
pub(crate) struct Ledger {
    pushed: watch::Receiver<u64>,
    watcher: JoinHandle<()>,
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// What each station counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    published: u64,
    by_others: u64,
    aside: u64,
    stored: u64,
    rolled_up: u64,
    pushed: u64,
}

impl Counts {
    /// Tells whether every station counted the same.
    pub(crate) fn agree(&self) -> bool {
        [self.stored, self.rolled_up, self.pushed].iter().all(|count| *count == self.published)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { published, by_others, aside, stored, rolled_up, pushed } = self;
        write!(f, "published {published} · stored {stored} · rolled up {rolled_up} · pushed {pushed}")?;
        if *by_others > 0 {
            write!(f, " (of them {by_others} not by the plant)")?;
        }
        if *aside > 0 {
            write!(f, " · beside them {aside} texts or unknown types")?;
        }
        if !self.agree() {
            write!(f, "\nthe counts DIFFER")?;
        }
        Ok(())
    }
}

impl Ledger {
    /// Subscribes to the minutes of every type of the plant.
    pub(crate) async fn open(stations: &Stations) -> anyhow::Result<Self> {
        let url = stations.url.clone();
        let screen = subscribe(&url).await.map_err(|fault| anyhow!("live: {fault}"))?;
        let (count, pushed) = watch::channel(0);
        Ok(Self { pushed, watcher: tokio::spawn(follow(url, screen, count)) })
    }

    /// Waits until the counts agree, or until it is clear that they do not, and returns them.
    pub(crate) async fn close(&self, stations: &Stations, totals: Totals) -> Counts {
        let deadline = Instant::now() + SETTLE;
        loop {
            let pushed = *self.pushed.borrow();
            let counts = count(stations, totals, pushed).await;
            match counts {
                Ok(counts) if counts.agree() || Instant::now() > deadline => return counts,
                Err(fault) if Instant::now() > deadline => {
                    eprintln!("counting: {fault}");
                    return Counts { published: totals.acknowledged, ..Counts::default() };
                }
                Ok(_) | Err(_) => tokio::time::sleep(GLANCE).await,
            }
        }
    }
}

async fn count(stations: &Stations, totals: Totals, pushed: u64) -> Result<Counts, String> {
    let taken = agent_counts(stations)?;
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", stations.mongod_port);
    let client = Client::with_uri_str(uri).await.map_err(|fault| fault.to_string())?;
    let database = client.database("penstock");
    let all = stored_readings(&database).await?;
    // Anybody may publish beside the plant: texts, which no rollup counts, and types that nobody here watches.
    let watched = |event_type: &str| Plant::types().any(|name| name == event_type);
    let aside =
        all.iter().filter(|reading| reading.value.is_none() || !watched(&reading.event_type)).count() as u64;
    let published = taken.received - taken.dead_lettered - aside;
    Ok(Counts {
        published: published.max(totals.acknowledged),
        by_others: published.saturating_sub(totals.acknowledged),
        aside,
        stored: all.len() as u64 - aside,
        rolled_up: stored_rollups(&database).await?.readings(watched),
        pushed,
    })
}

fn agent_counts(stations: &Stations) -> Result<RecordCounts, String> {
    let output = Command::new(program("penstock-agent"))
        .args(["status", "--json", "--config"])
        .arg(&stations.agent_config)
        .output()
        .map_err(|fault| fault.to_string())?;
    let status: Value = serde_json::from_slice(&output.stdout).map_err(|fault| fault.to_string())?;
    serde_json::from_value(status["counts"].clone()).map_err(|fault| fault.to_string())
}

async fn subscribe(url: &str) -> Result<Live, String> {
    let mut screen = Live::connect(url).await?;
    for event_type in Plant::types() {
        screen.subscribe(&format!("{event_type}:minute")).await?;
    }
    Ok(screen)
}

/// Follows the screen for ever, connecting again when it is lost.
async fn follow(url: String, mut screen: Live, count: watch::Sender<u64>) {
    loop {
        let fault = match screen.watch(GLANCE).await {
            Ok(()) => {
                count.send_replace(Plant::types().map(|name| screen.count(&format!("{name}:minute"))).sum());
                continue;
            }
            Err(fault) => fault,
        };
        eprintln!("live: {fault}: connecting again");
        tokio::time::sleep(RECONNECT_PAUSE).await;
        if let Ok(again) = subscribe(&url).await {
            screen = again;
        }
    }
}
