//! This machine's sensors: a tree as Linux shows it, of many chips, read every second.

use std::path::Path;

use super::{Intake, WARM_UP, add_cost, start};
use crate::sink::Sink;
use crate::table::Table;

const CHIPS: usize = 50;
const SENSORS: usize = 20;

/// Measures what a sensor costs, beside bare numbers by MQTT.
pub(super) async fn measure(table: &mut Table, plain: Intake) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let tree = directory.path().join("sys");
    plant(&tree).expect("the directory is writable");
    let sink = Sink::start().await;
    let settings = format!(
        "[device]\nenabled = true\ninterval_seconds = 1\nfigures = false\nsysfs = \"{}\"\n",
        tree.display()
    );
    let agent = start(directory.path(), &sink, &settings).await;
    tokio::time::sleep(2 * WARM_UP).await;
    let intake = Intake::watch(&agent, || sink.readings()).await;
    assert!(intake.readings > 0, "the sensors brought no readings");
    add_cost(table, "sysfs, 50 chips of 20 temperatures", intake, plain);
}

fn plant(tree: &Path) -> std::io::Result<()> {
    for chip in 0..CHIPS {
        let folder = tree.join(format!("class/hwmon/hwmon{chip}"));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("name"), format!("chip{chip}\n"))?;
        for sensor in 1..=SENSORS {
            std::fs::write(
                folder.join(format!("temp{sensor}_input")),
                format!("{}\n", 21_000 + 10 * sensor),
            )?;
        }
    }
    Ok(())
}
