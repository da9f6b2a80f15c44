//! `[forward]`: how the buffer is emptied towards the hub.

use std::time::Duration;

use super::section::Section;

/// How the buffer is emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardSettings {
    /// A batch is sealed at about this many readings. Default: 1,000.
    pub batch_readings: usize,
    /// The same while behind: larger batches drain faster. Default: 8,000.
    pub catch_up_readings: usize,
    /// A smaller batch is sealed this long after its oldest reading. Default: 100 ms.
    pub linger: Duration,
    /// A request without an answer for this long counts as failed. Default: 30 s.
    pub timeout: Duration,
    /// The longest pause between attempts. Default: 30 s.
    pub backoff_max: Duration,
    /// How often the agent reports its state to the hub and to `status.json`. Default: 2 s.
    pub report_interval: Duration,
}

impl Default for ForwardSettings {
    fn default() -> Self {
        Self {
            batch_readings: 1_000,
            catch_up_readings: 8_000,
            linger: Duration::from_millis(100),
            timeout: Duration::from_secs(30),
            backoff_max: Duration::from_secs(30),
            report_interval: Duration::from_secs(2),
        }
    }
}

pub(super) fn read(section: &mut Section<'_>) -> ForwardSettings {
    let default = ForwardSettings::default();
    let batch_readings = section.number("batch_readings", default.batch_readings as u64, 1..=50_000);
    let catch_up_readings = section.number("catch_up_readings", default.catch_up_readings as u64, 1..=50_000);
    if catch_up_readings < batch_readings {
        section.fault("catch_up_readings", "must not be below batch_readings");
    }
    let linger_ms = u64::try_from(default.linger.as_millis()).unwrap_or(u64::MAX);
    ForwardSettings {
        batch_readings: usize::try_from(batch_readings).unwrap_or(usize::MAX),
        catch_up_readings: usize::try_from(catch_up_readings).unwrap_or(usize::MAX),
        linger: Duration::from_millis(section.number("linger_ms", linger_ms, 0..=60_000)),
        timeout: seconds(section, "timeout_seconds", default.timeout),
        backoff_max: seconds(section, "backoff_max_seconds", default.backoff_max),
        report_interval: seconds(section, "report_seconds", default.report_interval),
    }
}

fn seconds(section: &mut Section<'_>, key: &str, default: Duration) -> Duration {
    Duration::from_secs(section.number(key, default.as_secs(), 1..=3600))
}
