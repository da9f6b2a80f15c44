//! This machine's own sensors and figures, read at an interval.
//!
//! ```text
//! sysfs ───┐
//!          ├─▶ parts and their samples ─▶ Outlet ─▶ committer
//! figures ─┘
//! ```

mod figures;
mod sysfs;

use penstock_shared::reading::MAX_NAME_BYTES;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::config::DeviceSettings;
use crate::delivery::NotCommitted;
use crate::source::{Outlet, SourceTask};
use figures::Figures;
use sysfs::Found;

/// Starts to read this machine at its interval.
#[must_use]
pub fn start(settings: DeviceSettings, outlet: impl FnOnce(watch::Receiver<bool>) -> Outlet) -> SourceTask {
    SourceTask::start("device", |stopping| run(settings, outlet(stopping.clone()), stopping))
}

async fn run(settings: DeviceSettings, mut outlet: Outlet, mut stopping: watch::Receiver<bool>) {
    let mut figures = settings.figures.then(Figures::default);
    let mut ticks = tokio::time::interval(settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = 0;
    loop {
        // Both branches are cancel-safe: a timer and a watch.
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        // Files of sysfs can take their time: a 1-Wire thermometer needs most of a second.
        let looked = tokio::task::spawn_blocking({
            let settings = settings.clone();
            move || {
                let found = look(&settings, figures.as_mut());
                (found, figures)
            }
        });
        let found = match looked.await {
            Ok((found, back)) => {
                figures = back;
                found
            }
            Err(error) => {
                tracing::error!(%error, "this machine's sensors cannot be read");
                figures = settings.figures.then(Figures::default);
                continue;
            }
        };
        if found.len() != known {
            known = found.len();
            tracing::info!(values = known, "values of this machine");
        }
        let parts = found.into_iter().map(|found| (found.part, found.sample));
        if outlet.commit_parts(parts).await == Err(NotCommitted::Stopping) {
            return;
        }
    }
}

fn look(settings: &DeviceSettings, figures: Option<&mut Figures>) -> Vec<Found> {
    let mut found: Vec<_> =
        settings.sensors.iter().flat_map(|class| sysfs::read(&settings.sysfs, *class)).collect();
    found.extend(figures.into_iter().flat_map(Figures::read));
    // A name that no series may have is cut, not lost: mount points can be long.
    for found in &mut found {
        let most = MAX_NAME_BYTES / 2;
        if found.part.len() > most {
            let cut = (0..=most).rev().find(|index| found.part.is_char_boundary(*index)).unwrap_or(0);
            found.part.truncate(cut);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use penstock_shared::id::AgentId;
    use tokio::sync::mpsc;

    use super::*;
    use crate::committer::CommitHandle;
    use crate::decode::SampleDecoder;
    use crate::delivery::Delivery;

    #[tokio::test]
    async fn a_sensor_and_the_machines_figures_become_readings_with_units() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let zone = root.path().join("class/thermal/thermal_zone0");
        std::fs::create_dir_all(&zone).expect("directories");
        std::fs::write(zone.join("temp"), "51500\n").expect("a file");
        std::fs::write(zone.join("type"), "soc\n").expect("a file");
        let settings = DeviceSettings {
            interval: Duration::from_secs(1),
            sysfs: root.path().to_owned(),
            ..DeviceSettings::default()
        };
        let (queue, mut deliveries) = mpsc::channel::<Delivery>(1);
        let (stop, stopping) = watch::channel(false);
        let decoder = SampleDecoder::new(&AgentId::new("gw1").expect("a valid id"), true, "host");
        let outlet = Outlet::new("device".into(), decoder, CommitHandle::over(queue), stopping.clone());
        let source = tokio::spawn(run(settings, outlet, stopping));

        let delivery = deliveries.recv().await.expect("a first look");
        assert!(delivery.dead_letters.is_empty(), "{:?}", delivery.dead_letters);
        let sources: Vec<_> =
            delivery.readings.iter().map(|reading| reading.series.source.as_str()).collect();
        assert!(sources.contains(&"gw1/host/thermal/soc 0"), "{sources:?}");
        let memory = delivery.readings.iter().find(|reading| reading.series.event_type == "memory_used");
        assert!(memory.is_some_and(|reading| reading.series.source == "gw1/host"), "{sources:?}");
        (delivery.done)(Ok(()));
        stop.send_replace(true);
        source.await.expect("no panic");
    }
}
