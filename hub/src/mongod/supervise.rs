//! Watches over a mongod: starts it again when it dies, keeps its log small, ends it when told.

use std::time::Duration;

use penstock_shared::backoff::Backoff;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::{error, info, warn};

use super::data_dir::{DataDir, DataDirLock};
use super::process::{Launch, Process};
use super::replica_set;

/// The shortest pause before a mongod that died is started again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A mongod that ran this long counts as healthy: its next death starts from the shortest pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);
/// How often the log's size is looked at.
const LOG_LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// How large the log may become; one older log of this size is kept beside it.
const MAX_LOG_BYTES: u64 = 32 * 1024 * 1024;

enum Event {
    Died(String),
    LookAtLog,
    Stop,
}

/// Runs until told to stop, or until the one who would tell is gone; in the latter case mongod is left running.
pub(super) async fn supervise(
    mut process: Process,
    launch: Launch,
    data_dir: DataDir,
    lock: DataDirLock,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut log_look = interval(LOG_LOOK_INTERVAL);
    log_look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut started_at = Instant::now();
    loop {
        // All branches are cancel-safe: a wait, a tick and a oneshot by reference.
        let event = tokio::select! {
            status = process.ended() => Event::Died(status),
            _ = log_look.tick() => Event::LookAtLog,
            order = &mut stopped => if order.is_ok() { Event::Stop } else { break },
        };
        match event {
            Event::LookAtLog => shorten_log(&launch, &data_dir).await,
            Event::Stop => {
                match process.stop().await {
                    Ok(()) => info!("mongod has ended"),
                    Err(error) => error!(%error, "cannot stop mongod"),
                }
                break;
            }
            Event::Died(status) => {
                error!(status, "mongod died, starting it again");
                if started_at.elapsed() > HEALTHY_AFTER {
                    backoff.reset();
                }
                // Between two processes there is none to stop, so that cutting this short leaves nothing behind.
                process = tokio::select! {
                    restarted = restart(&launch, &mut backoff) => restarted,
                    _ = &mut stopped => break,
                };
                started_at = Instant::now();
            }
        }
    }
    drop(lock);
}

/// Tries until a process runs. The port stays: clients hold a URI with it. One that ends at once comes back here.
async fn restart(launch: &Launch, backoff: &mut Backoff) -> Process {
    loop {
        sleep(backoff.next_delay(rand::random())).await;
        match Process::spawn(launch) {
            Ok(process) => {
                info!(port = launch.port, pid = process.pid(), "mongod was started again");
                return process;
            }
            Err(error) => error!(%error, "cannot start mongod"),
        }
    }
}

async fn shorten_log(launch: &Launch, data_dir: &DataDir) {
    if data_dir.log_bytes() <= MAX_LOG_BYTES {
        return;
    }
    let shortened = match data_dir.rotate_log() {
        Ok(()) => replica_set::reopen_log(launch.port).await,
        Err(error) => Err(error),
    };
    if let Err(error) = shortened {
        warn!(%error, "cannot rotate the log of mongod");
    }
}
