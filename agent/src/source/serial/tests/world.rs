//! A serial source, the instrument at the other end of its line, and the committer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use penstock_shared::id::AgentId;
use penstock_shared::reading::{Reading, Value};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio_serial::{SerialPort, SerialStream};

use crate::committer::CommitHandle;
use crate::config::SerialSettings;
use crate::config::serial::Device;
use crate::decode::SampleDecoder;
use crate::delivery::{DeadLetter, Delivery};
use crate::source::serial::{self, SerialCounters, SerialCounts};
use crate::source::{Outlet, SourceTask};

const SOON: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// What the committer got.
#[derive(Debug, Default)]
pub(super) struct Committed {
    pub(super) readings: Vec<Reading>,
    pub(super) dead_letters: Vec<DeadLetter>,
}

impl Committed {
    pub(super) fn numbers(&self) -> Vec<f64> {
        let numbers = self.readings.iter().filter_map(|reading| match reading.value {
            Value::Number(number) => Some(number),
            _ => None,
        });
        numbers.collect()
    }
}

pub(super) struct World {
    pub(super) committed: Arc<Mutex<Committed>>,
    pub(super) counters: Arc<SerialCounters>,
    hold: watch::Sender<bool>,
    source: SourceTask,
    link: PathBuf,
    _directory: TempDir,
}

/// An instrument that is plugged in.
pub(super) struct Plugged {
    pub(super) line: SerialStream,
    /// Kept open, as a pseudo terminal whose last reader is gone forgets what it was told.
    _other_end: SerialStream,
}

impl World {
    /// Starts a source whose port is not plugged in yet.
    pub(super) fn start(mut settings: SerialSettings) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let link = directory.path().join("instrument");
        settings.name = "instrument".to_owned();
        settings.port.device = Device::Path(link.clone());
        settings.backoff_max = Duration::from_millis(150);
        let (queue, mut deliveries) = mpsc::channel::<Delivery>(10);
        let committed = Arc::<Mutex<Committed>>::default();
        let store = Arc::clone(&committed);
        let (hold, mut held) = watch::channel(false);
        tokio::spawn(async move {
            while let Some(delivery) = deliveries.recv().await {
                // The sender lives as long as the world, so the wait ends.
                held.wait_for(|held| !*held).await.map(drop).unwrap_or_default();
                let mut store = store.lock().expect("no panic");
                store.readings.extend(delivery.readings);
                store.dead_letters.extend(delivery.dead_letters);
                (delivery.done)(Ok(()));
            }
        });
        let (source, counters) = serial::start(settings, |stopping| {
            let decoder = SampleDecoder::new(&AgentId::new("gw").expect("an id"), true, "instrument");
            Outlet::new("serial instrument".into(), decoder, CommitHandle::over(queue), stopping)
        });
        Self { hold, committed, counters, source, link, _directory: directory }
    }

    /// Plugs the instrument in, under a name that it did not have before, and waits until the source has opened it.
    pub(super) async fn plug(&self) -> Plugged {
        let (line, other_end) = SerialStream::pair().expect("a pseudo terminal");
        let opened = self.counters.counts().openings;
        let path = other_end.name().expect("a name");
        std::os::unix::fs::symlink(path, &self.link).expect("a link");
        self.until(|counts| counts.openings > opened).await;
        Plugged { line, _other_end: other_end }
    }

    /// Makes the committer keep what it gets, or answer.
    pub(super) fn hold(&self, held: bool) {
        self.hold.send_replace(held);
    }

    /// Pulls the plug.
    pub(super) fn unplug(&self, plugged: Plugged) {
        std::fs::remove_file(&self.link).expect("a link");
        drop(plugged);
    }

    /// Waits until the counts are as they should be.
    pub(super) async fn until(&self, reached: impl Fn(&SerialCounts) -> bool) {
        let waited = tokio::time::timeout(SOON, async {
            while !reached(&self.counters.counts()) {
                tokio::time::sleep(POLL).await;
            }
        });
        assert!(waited.await.is_ok(), "not in time: {:?}", self.counters.counts());
    }

    /// Stops the source and returns what was committed and counted.
    pub(super) async fn stop(self) -> (Committed, SerialCounts) {
        self.source.stop(SOON).await;
        let counts = self.counters.counts();
        (std::mem::take(&mut *self.committed.lock().expect("no panic")), counts)
    }
}

impl Plugged {
    pub(super) async fn say(&mut self, bytes: &[u8]) {
        self.line.write_all(bytes).await.expect("the line takes it");
    }
}
