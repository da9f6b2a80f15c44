//! From the operator's settings to those of each stage.

use std::sync::Arc;

use tokio::sync::watch;

use crate::buffer::{BufferSettings, FullPolicy};
use crate::committer::{CommitHandle, CommitLimits};
use crate::config::{ClientSettings, MappingSettings, QuotaPolicy, Settings};
use crate::decode::{Decoder, SampleDecoder};
use crate::forward::ForwardSettings;
use crate::source::{Intake, Outlet};

/// Returns the buffer's place and bounds.
#[must_use]
pub fn buffer_settings(settings: &Settings) -> BufferSettings {
    let chosen = &settings.buffer;
    BufferSettings {
        dir: chosen.dir.clone(),
        quota_bytes: chosen.quota_bytes,
        policy: match chosen.policy {
            QuotaPolicy::DropOldest => FullPolicy::DropOldest,
            QuotaPolicy::Block => FullPolicy::Block,
        },
        segment_bytes: chosen.segment_bytes,
        min_free_bytes: chosen.min_free_bytes,
        dead_letter_bytes: chosen.dead_letter_bytes,
        freeze_after: chosen.freeze_after,
        flush_timeout: chosen.flush_timeout,
    }
}

/// A quota holds so many of the largest groups.
const GROUPS_A_QUOTA: u64 = 16;

pub(super) fn commit_limits(settings: &Settings) -> CommitLimits {
    let limits = CommitLimits::default();
    // What a small quota holds at once is flushed at once; a part of it, as a log takes several times an entry.
    let most_bytes = usize::try_from(settings.buffer.quota_bytes / GROUPS_A_QUOTA).unwrap_or(usize::MAX);
    CommitLimits {
        queue_deliveries: settings.buffer.queue_messages,
        linger: settings.buffer.commit_linger,
        group_bytes: limits.group_bytes.min(most_bytes),
        ..limits
    }
}

pub(super) fn forward_settings(settings: &Settings) -> ForwardSettings {
    let chosen = &settings.forward;
    ForwardSettings {
        token: settings.hub.token.clone(),
        batch_readings: chosen.batch_readings,
        catch_up_readings: chosen.catch_up_readings,
        linger: chosen.linger,
        timeout: chosen.timeout,
        backoff_max: chosen.backoff_max,
        report_every: chosen.report_interval,
        ..ForwardSettings::new(settings.agent.id.clone(), settings.hub.url.clone())
    }
}

/// Returns what makes a decoder for each source: they do not share one, so that none waits for another.
pub(super) fn decoder_maker(settings: &Settings) -> impl Fn() -> Decoder + Send + Sync + use<> {
    let agent = settings.agent.id.clone();
    let prefix_sources = settings.agent.prefix_sources;
    let mappings: Arc<[MappingSettings]> = settings.mappings.clone().into();
    let dialects = settings.decode.clone();
    move || Decoder::new(&agent, prefix_sources, Arc::clone(&mappings)).with_dialects(&dialects)
}

pub(super) fn client_intake(settings: &Settings, client: &ClientSettings, commits: &CommitHandle) -> Intake {
    let max_payload_bytes = usize::try_from(client.max_packet_bytes).unwrap_or(usize::MAX);
    Intake::new(decoder_maker(settings)().limit_payload(max_payload_bytes), commits.clone())
}

/// Returns what makes the outlet of a source once it is known what stops the source.
pub(super) fn outlet(
    settings: &Settings,
    source: &str,
    origin: String,
    commits: &CommitHandle,
) -> impl FnOnce(watch::Receiver<bool>) -> Outlet + use<> {
    let decoder = SampleDecoder::new(&settings.agent.id, settings.agent.prefix_sources, source);
    let commits = commits.clone();
    move |stopping| Outlet::new(origin, decoder, commits, stopping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_configuration_are_those_of_the_stages() {
        let settings = Settings::default();
        let buffer = BufferSettings::new(settings.buffer.dir.clone());
        assert_eq!(format!("{:?}", buffer_settings(&settings)), format!("{buffer:?}"));
        assert_eq!(format!("{:?}", commit_limits(&settings)), format!("{:?}", CommitLimits::default()));
        let forward = ForwardSettings::new(settings.agent.id.clone(), settings.hub.url.clone());
        assert_eq!(format!("{:?}", forward_settings(&settings)), format!("{forward:?}"));
    }
}
