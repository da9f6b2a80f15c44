//! A simulated plant: a few gateways' worth of devices whose values wander as real ones do.
//!
//! It knows the MQTT listener and nothing behind it.

use std::net::SocketAddr;
use std::sync::Arc;

use penstock_shared::reading::TimestampMicros;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::device::{Message, Pace, Progress, Publisher};

/// What devices measure: type, unit, a usual value, and the size of one step.
const QUANTITIES: [(&str, &str, f64, f64); 6] = [
    ("temperature", "°C", 62.0, 0.12),
    ("pressure", "bar", 5.8, 0.02),
    ("vibration", "mm/s", 2.4, 0.05),
    ("power", "kW", 18.0, 0.25),
    ("flow", "l/min", 120.0, 0.8),
    ("humidity", "%", 45.0, 0.1),
];
/// Machines of each hall, and what each measures, as indices into [`QUANTITIES`].
const MACHINES: [(&str, &[usize]); 10] = [
    ("press1", &[0, 1, 2]),
    ("press2", &[0, 1, 2]),
    ("oven1", &[0, 3]),
    ("oven2", &[0, 3]),
    ("pump1", &[1, 2, 4]),
    ("pump2", &[1, 2, 4]),
    ("chiller", &[0, 3, 4]),
    ("compressor", &[1, 2, 3]),
    ("conveyor", &[2, 3]),
    ("climate", &[0, 5]),
];
const HALLS: usize = 4;
/// How strongly a value is drawn back to its usual one.
const PULL: f64 = 0.01;
const WINDOW: usize = 50;

/// What a plant published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Publishes attempted.
    pub published: u64,
    /// Publishes acknowledged.
    pub acknowledged: u64,
}

/// A running plant.
#[derive(Debug)]
pub struct Plant {
    halls: Vec<(Arc<Progress>, JoinHandle<()>)>,
}

impl Plant {
    /// Starts the devices of all halls, each hall over a connection of its own, at `per_second` readings in all.
    #[must_use]
    pub fn start(listener: SocketAddr, per_second: f64) -> Self {
        let halls = (1..=HALLS).map(|hall| {
            let progress = Arc::new(Progress::default());
            let mut devices = Devices::of_hall(hall);
            let publisher = Publisher {
                address: listener,
                client: format!("plant-hall{hall}"),
                window: WINDOW,
                pace: Pace::PerSecond(per_second / HALLS as f64),
                next: move |_| Some(devices.measure()),
                acknowledged: |_| {},
            };
            (Arc::clone(&progress), tokio::spawn(publisher.run(progress)))
        });
        Self { halls: halls.collect() }
    }

    /// Returns the types that the plant measures.
    pub fn types() -> impl Iterator<Item = &'static str> {
        QUANTITIES.iter().map(|(event_type, ..)| *event_type)
    }

    /// Returns what was published so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let sum = |count: fn(&Progress) -> u64| self.halls.iter().map(|(progress, _)| count(progress)).sum();
        Totals { published: sum(Progress::attempted), acknowledged: sum(Progress::acknowledged) }
    }

    /// Ends all devices, after waiting a little for what is in flight.
    pub async fn stop(mut self) -> Totals {
        for (progress, _) in &self.halls {
            progress.stop();
        }
        for (_, task) in &mut self.halls {
            task.await.expect("a device does not panic");
        }
        self.totals()
    }
}

/// The devices of one hall, measured in turn.
struct Devices {
    devices: Vec<Device>,
    turn: usize,
    dice: StdRng,
}

struct Device {
    topic: String,
    unit: &'static str,
    usual: f64,
    step: f64,
    value: f64,
}

impl Devices {
    fn of_hall(hall: usize) -> Self {
        let quantities =
            MACHINES.iter().flat_map(|(machine, measured)| measured.iter().map(move |at| (machine, *at)));
        let devices = quantities.map(|(machine, at)| {
            let (event_type, unit, usual, step) = QUANTITIES[at];
            Device { topic: format!("hall{hall}/{machine}/{event_type}"), unit, usual, step, value: usual }
        });
        Self { devices: devices.collect(), turn: 0, dice: StdRng::from_os_rng() }
    }

    fn measure(&mut self) -> Message {
        let turn = self.turn;
        self.turn = (turn + 1) % self.devices.len();
        let device = &mut self.devices[turn];
        let push = self.dice.random_range(-1.0..1.0) * device.step * 1.7;
        device.value += push + (device.usual - device.value) * PULL;
        let (value, time, unit) = (device.value, TimestampMicros::now().millis(), device.unit);
        let payload = format!("{{\"value\":{value:.2},\"ts\":{time},\"unit\":\"{unit}\"}}");
        Message { topic: device.topic.clone(), payload: payload.into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_wander_near_their_usual_one() {
        let mut hall = Devices::of_hall(1);
        for _ in 0..20_000 {
            hall.measure();
        }
        let strayed =
            hall.devices.iter().find(|device| (device.value - device.usual).abs() > device.usual / 2.0);
        assert!(strayed.is_none(), "{}", strayed.map(|device| device.topic.as_str()).unwrap_or_default());
    }
}
