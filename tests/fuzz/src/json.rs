//! The default mapping, mappings of an operator, and all dialects at once, on any topic.

use std::sync::LazyLock;

use penstock_agent::config::Settings;
use penstock_agent::decode::Decoded;

use crate::memory::bounded;
use crate::messages::{decoder, message, settings};
use crate::outcome::{NOW, check, check_told};

const PLAIN: &str = "[decode]\ndialects = []\n";
const MAPPED: &str = r#"
[decode]
dialects = []
[[mapping]]
topic = "m/{hall}/{source}/status"
values = { temperature = "/t/0", humidity = "/a/h", state = "/s" }
time = "/ts"
labels = { site = "north", hall = "{hall}" }
[[mapping]]
topic = "v/{source...}/{type}"
value = "/a/0/b"
time = "/time"
time_unit = "ms"
[[mapping]]
topic = "w/{source}/{type}"
[[mapping]]
topic = "l/{source}"
format = "influx_line"
"#;

static SETTINGS: LazyLock<[Settings; 3]> =
    LazyLock::new(|| [settings(PLAIN), settings(MAPPED), settings("")]);

/// One message.
pub(crate) fn target(bytes: &[u8]) {
    let (topic, payload) = message(bytes);
    let [plain, mapped, all] = LazyLock::force(&SETTINGS);
    let decode =
        |settings: &Settings| -> Decoded { bounded(|| decoder(settings).decode(&topic, payload, NOW)) };
    let decoded = decode(plain);
    if topic.starts_with('$') {
        assert!(decoded.is_empty(), "a broker's own figures are no readings");
    } else {
        check_told(&decoded);
    }
    check(&decode(mapped));
    check(&decode(all));
}
