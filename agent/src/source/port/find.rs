//! Which path a device has at the moment.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::serial::{Device, UsbId};

/// A USB adapter's own directory is that many levels above its port's at most.
const MAX_LEVELS: usize = 6;

/// Returns the device's path; none when no such adapter is plugged in. `root` is where `/sys` and `/dev` are.
pub(super) fn find(device: &Device, root: &Path) -> Option<PathBuf> {
    match device {
        Device::Path(path) => Some(path.clone()),
        Device::Usb(wanted) => {
            let ports = fs::read_dir(root.join("sys/class/tty")).ok()?;
            let mut found: Vec<_> = ports
                .flatten()
                .filter(|port| is_on_adapter(&port.path().join("device"), wanted))
                .map(|port| root.join("dev").join(port.file_name()))
                .collect();
            // Of several ports of one adapter, the first is as good as any, as long as it is always the same.
            found.sort();
            found.into_iter().next()
        }
    }
}

fn is_on_adapter(port: &Path, wanted: &UsbId) -> bool {
    let Ok(port) = port.canonicalize() else { return false };
    let adapter = port.ancestors().take(MAX_LEVELS).find(|level| level.join("idVendor").exists());
    adapter.is_some_and(|adapter| {
        let says = |file: &str, text: &str| attribute(adapter, file).is_some_and(|found| found == text);
        says("idVendor", &wanted.vendor)
            && says("idProduct", &wanted.product)
            && wanted.serial_number.as_ref().is_none_or(|number| says("serial", number))
    })
}

fn attribute(directory: &Path, file: &str) -> Option<String> {
    fs::read_to_string(directory.join(file)).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn plug(root: &Path, bus: &str, port: &str, serial_number: &str) {
        let adapter = root.join("sys/devices/pci0/usb1").join(bus);
        let device = adapter.join(format!("{bus}:1.0")).join(port);
        fs::create_dir_all(&device).expect("directories");
        for (file, text) in [("idVendor", "0403\n"), ("idProduct", "6001\n"), ("serial", serial_number)] {
            fs::write(adapter.join(file), text).expect("a file");
        }
        let class = root.join("sys/class/tty").join(port);
        fs::create_dir_all(&class).expect("directories");
        symlink(&device, class.join("device")).expect("a link");
    }

    #[test]
    fn an_adapter_is_found_by_what_it_says_of_itself_under_whatever_name() {
        let root = tempfile::tempdir().expect("a directory");
        let device = |serial_number: Option<&str>| {
            Device::Usb(UsbId {
                vendor: "0403".into(),
                product: "6001".into(),
                serial_number: serial_number.map(str::to_owned),
            })
        };
        assert_eq!(find(&device(None), root.path()), None);
        plug(root.path(), "1-1", "ttyUSB3", "A1\n");
        plug(root.path(), "1-2", "ttyUSB7", "B2\n");
        fs::create_dir_all(root.path().join("sys/class/tty/tty0")).expect("a directory");
        assert_eq!(find(&device(Some("B2")), root.path()), Some(root.path().join("dev/ttyUSB7")));
        assert_eq!(find(&device(None), root.path()), Some(root.path().join("dev/ttyUSB3")));
        assert_eq!(find(&device(Some("C3")), root.path()), None);
    }
}
