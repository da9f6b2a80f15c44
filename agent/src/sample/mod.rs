//! `check --sample`: hears what the configured sources say for a while, and tells what would become of it.
//!
//! ```text
//! sources ─▶ Delivery ─▶ edge ─▶ tally ─▶ report          nothing is stored, nothing is sent
//! ```
//!
//! It takes nothing away from an agent that runs beside it or later: brokers see a client of another name without a
//! session and without acknowledgements, shared subscriptions are heard unshared, and what devices send to the
//! built-in MQTT server is not acknowledged, so that they send it again.

mod report;
mod tally;

use std::time::{Duration, Instant};

use penstock_shared::reading::TimestampMicros;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use crate::committer::CommitHandle;
use crate::config::{Settings, unshared};
use crate::delivery::{Delivery, NotCommitted};
use crate::edge::Edge;
use crate::run::{listener, sources};
use crate::source::mqtt_listener::MqttListener;
pub use tally::Tally;

/// How long sources have to end.
const STOP_DEADLINE: Duration = Duration::from_secs(3);
const QUEUE_DELIVERIES: usize = 1024;

/// Hears the sources for `duration`, and returns what a person reads of it.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(settings: &Settings, duration: Duration) -> std::io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = runtime.block_on(hear(discreet(settings), duration));
    runtime.shutdown_timeout(STOP_DEADLINE);
    Ok(report::render(&tally, duration))
}

/// Returns settings whose sources leave no trace at brokers.
fn discreet(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    for client in &mut settings.mqtt_clients {
        client.client_id = Some(format!("penstock-sample-{:08x}", rand::random::<u32>()));
        client.leaves_traces = false;
        client.qos = 0;
        for topic in &mut client.topics {
            *topic = unshared(topic).to_owned();
        }
    }
    settings
}

async fn hear(settings: Settings, duration: Duration) -> Tally {
    let mut tally = Tally::new(&settings);
    let mut edge = Edge::new(&settings.series, settings.limits);
    let (queue, mut deliveries) = mpsc::channel(QUEUE_DELIVERIES);
    let (listener_queue, mut from_listener) = mpsc::channel(QUEUE_DELIVERIES);
    let commits = CommitHandle::over(queue);
    let plans = sources::plans(&settings).into_iter();
    let started: Vec<_> = plans.map(|plan| sources::start(plan, &settings, &commits)).collect();
    // The channel ends with its sources.
    drop(commits);
    let listener = start_listener(&settings, CommitHandle::over(listener_queue), &mut tally).await;
    let mut unacknowledged = Vec::new();
    let end = tokio::time::Instant::now() + duration;
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let heard = async {
            // Both branches are cancel-safe, and the timeout drops nothing that was received.
            tokio::select! {
                Some(delivery) = deliveries.recv() => (delivery, false),
                Some(delivery) = from_listener.recv() => (delivery, true),
                else => std::future::pending().await,
            }
        };
        // All branches are cancel-safe; an interrupt ends what the sources have started.
        let (delivery, is_from_listener) = tokio::select! {
            heard = timeout_at(end, heard) => match heard {
                Ok(heard) => heard,
                Err(_) => break,
            },
            _ = &mut interrupted => break,
        };
        let Delivery { readings, dead_letters, done } = delivery;
        let screened = edge.screen(readings, Instant::now(), TimestampMicros::now());
        edge.settle(&screened.withheld);
        tally.add(screened, dead_letters);
        if is_from_listener {
            tally.unacknowledged += 1;
            unacknowledged.push(done);
        } else {
            done(Ok(()));
        }
    }
    drop(deliveries);
    drop(from_listener);
    for done in unacknowledged {
        done(Err(NotCommitted::Stopping));
    }
    if let Some(listener) = listener {
        listener.stop().await;
    }
    futures_util::future::join_all(started.into_iter().map(|source| source.task.stop(STOP_DEADLINE))).await;
    tally.finish();
    tally
}

async fn start_listener(
    settings: &Settings,
    commits: CommitHandle,
    tally: &mut Tally,
) -> Option<MqttListener> {
    match listener::start(settings, &commits, None).await {
        Ok(started) => started.map(|started| started.listener),
        Err(error) => {
            tally.notes.push(format!("mqtt listener not heard: {error} (does the agent run?)"));
            None
        }
    }
}

#[cfg(test)]
mod tests;
