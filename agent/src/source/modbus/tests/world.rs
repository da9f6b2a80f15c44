//! A Modbus source and the committer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use penstock_shared::id::AgentId;
use penstock_shared::reading::{Reading, Value};
use tokio::sync::mpsc;

use crate::committer::CommitHandle;
use crate::config::{self, ModbusSettings};
use crate::decode::SampleDecoder;
use crate::delivery::Delivery;
use crate::source::modbus::{self, ModbusCounters, ModbusCounts};
use crate::source::{Outlet, SourceTask};

const SOON: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

pub(super) struct World {
    readings: Arc<Mutex<Vec<Reading>>>,
    counters: Arc<ModbusCounters>,
    source: SourceTask,
}

/// Reads the keys of a bus named `plant`, and adds a slave per unit, each with the given registers.
pub(super) fn settings(bus: &str, units: &[u8], registers: &str) -> ModbusSettings {
    let slave = |unit: &u8| format!("[[modbus.slave]]\nname = \"slave{unit}\"\nunit = {unit}\n{registers}");
    let slaves: String = units.iter().map(slave).collect();
    let text = format!("[[modbus]]\nname = \"plant\"\n{bus}\n{slaves}");
    config::parse(Path::new("agent.toml"), &text, []).expect("a good configuration").modbus.remove(0)
}

impl World {
    pub(super) fn start(settings: ModbusSettings) -> Self {
        let (queue, mut deliveries) = mpsc::channel::<Delivery>(10);
        let readings = Arc::<Mutex<Vec<Reading>>>::default();
        let store = Arc::clone(&readings);
        tokio::spawn(async move {
            while let Some(delivery) = deliveries.recv().await {
                assert!(delivery.dead_letters.is_empty(), "{:?}", delivery.dead_letters);
                store.lock().expect("no panic").extend(delivery.readings);
                (delivery.done)(Ok(()));
            }
        });
        let (source, counters) = modbus::start(settings, |stopping| {
            let decoder = SampleDecoder::new(&AgentId::new("gw").expect("an id"), true, "plant");
            Outlet::new("modbus plant".into(), decoder, CommitHandle::over(queue), stopping)
        });
        Self { readings, counters, source }
    }

    /// How often each series of `SLAVE NAME` was committed.
    pub(super) fn commits(&self) -> BTreeMap<String, usize> {
        let mut commits = BTreeMap::new();
        for (series, _) in self.values() {
            *commits.entry(series).or_default() += 1;
        }
        commits
    }

    /// Every committed value with its series.
    pub(super) fn values(&self) -> Vec<(String, Value)> {
        let readings = self.readings.lock().expect("no panic");
        let show = |reading: &Reading| {
            let slave = reading.series.source.trim_start_matches("gw/plant/");
            (format!("{slave} {}", reading.series.event_type), reading.value.clone())
        };
        readings.iter().map(show).collect()
    }

    pub(super) fn counts(&self) -> ModbusCounts {
        self.counters.counts()
    }

    /// Waits until something is so.
    pub(super) async fn until(&self, reached: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(SOON, async {
            while !reached(self) {
                tokio::time::sleep(POLL).await;
            }
        });
        assert!(waited.await.is_ok(), "not in time: {:?} {:?}", self.counts(), self.commits());
    }

    pub(super) async fn stop(self) {
        self.source.stop(SOON).await;
    }
}
