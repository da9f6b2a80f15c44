//! Load, memory, disks and network of this machine, by `sysinfo`.

use penstock_shared::reading::Value;
use sysinfo::{Disks, Networks, System};

use super::sysfs::Found;
use crate::decode::Sample;

/// What is measured as a change since the last look.
#[derive(Default)]
pub(super) struct Figures {
    system: Option<System>,
    networks: Option<Networks>,
}

impl Figures {
    /// Reads all figures. The processor's load is over the time since the last look, so the first has none.
    pub(super) fn read(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        let mut push = |part: &str, name: &str, number: f64, unit: &str| {
            let sample = Sample::new(name, Value::Number(number)).with_unit(unit);
            found.push(Found { part: part.to_owned(), sample });
        };
        if self.system.is_none() {
            self.system = System::new().ok();
        }
        if let Some(system) = &mut self.system {
            let first = system.cpus().is_empty();
            system.refresh_cpu_usage();
            if !first {
                push("", "cpu_load", f64::from(system.global_cpu_usage()), "%");
            }
            system.refresh_memory();
            push("", "memory_used", system.used_memory() as f64, "B");
            push("", "memory_total", system.total_memory() as f64, "B");
        }
        if let Ok(load) = System::load_average() {
            push("", "load_1min", load.one, "");
        }
        if let Ok(seconds) = System::uptime() {
            push("", "uptime", seconds as f64, "s");
        }
        for disk in Disks::new_with_refreshed_list().iter().flat_map(|disks| disks.iter()) {
            let part = format!("disk {}", disk.mount_point().display());
            push(&part, "disk_free", disk.available_space() as f64, "B");
            push(&part, "disk_total", disk.total_space() as f64, "B");
        }
        match &mut self.networks {
            Some(networks) => networks.refresh(true),
            networks => *networks = Networks::new_with_refreshed_list().ok(),
        }
        for (name, network) in self.networks.iter().flat_map(|networks| networks.iter()) {
            let part = format!("network {}", name.display());
            push(&part, "received_bytes", network.total_received() as f64, "B");
            push(&part, "sent_bytes", network.total_transmitted() as f64, "B");
        }
        found
    }
}
