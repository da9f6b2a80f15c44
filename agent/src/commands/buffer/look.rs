//! What is there, and whether it is whole.

use std::process::ExitCode;

use penstock_agent::buffer::{DamagedSpan, SegmentState, SegmentSummary, Verified};
use penstock_agent::control::{Answer, Door, Request};

use super::{Held, held};
use crate::commands::output;
use crate::commands::tap::moment;

const MEBIBYTE: f64 = 1_048_576.0;

pub(super) fn list(door: &mut Door, json: bool) -> anyhow::Result<ExitCode> {
    let Held { segments, quarantined, faults } = held(door)?;
    if json {
        output::line(&serde_json::to_string_pretty(&serde_json::json!({
            "segments": segments, "quarantined": quarantined, "faults": faults,
        }))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!(
        "{:>20} {:>10} {:>12} {:>10}  {:<25} state",
        "segment", "commits", "readings", "MiB", "since"
    ))?;
    for segment in &segments {
        let since = segment.oldest_at.map_or_else(|| "-".to_owned(), moment);
        output::line(&format!(
            "{:>20} {:>10} {:>12} {:>10.2}  {since:<25} {}",
            segment.first.0,
            commits(segment),
            segment.readings,
            segment.bytes as f64 / MEBIBYTE,
            word(segment.state),
        ))?;
    }
    for set_aside in &quarantined {
        output::line(&format!(
            "set aside: {} ({:.2} MiB)",
            set_aside.name,
            set_aside.bytes as f64 / MEBIBYTE
        ))?;
    }
    for fault in &faults {
        output::line(&format!("✗ {fault}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn commits(segment: &SegmentSummary) -> u64 {
    (segment.last.0 + 1).saturating_sub(segment.first.0)
}

const fn word(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Active => "active",
        SegmentState::Waiting => "waiting",
        SegmentState::Frozen => "frozen",
        SegmentState::Stored => "stored",
        SegmentState::Damaged => "damaged",
    }
}

pub(super) fn verify(door: &mut Door) -> anyhow::Result<ExitCode> {
    let Held { segments, quarantined, faults: found } = held(door)?;
    for fault in &found {
        output::line(&format!("✗ {fault}"))?;
    }
    let (mut commits, mut readings, mut faults) = (0, 0, 0);
    let mut are_files_whole = true;
    for segment in &segments {
        let Verified { commits: whole, readings: read, faults: told, fault_count, is_gone, damage } =
            match door.ask(Request::Verify { first: segment.first })? {
                Answer::Verified(verified) => verified,
                other => anyhow::bail!("the agent answers {other:?}"),
            };
        if is_gone {
            output::line(&format!("✓ segment {}: the hub has it by now", segment.first))?;
            continue;
        }
        let mark = if fault_count == 0 && damage.is_none() { '✓' } else { '✗' };
        output::line(&format!("{mark} segment {}: {whole} commits, {read} readings", segment.first))?;
        if let Some(damage) = damage {
            output::line(&format!("    damaged: {damage}; what reads back is sent"))?;
            are_files_whole = false;
        }
        let mut shown = 0;
        for DamagedSpan { first, last, detail } in &told {
            output::line(&format!("    commits {first} to {last}: {detail}"))?;
            shown += last.0 + 1 - first.0;
        }
        if fault_count > shown {
            output::line(&format!("    … {} more", fault_count - shown))?;
        }
        commits += whole;
        readings += read;
        faults += fault_count;
    }
    for set_aside in &quarantined {
        output::line(&format!("✗ set aside earlier, as it was damaged: {}", set_aside.name))?;
    }
    let is_good = faults == 0 && are_files_whole && found.is_empty() && quarantined.is_empty();
    output::line(&format!("{commits} commits with {readings} readings read back, {faults} commits do not"))?;
    if faults > 0 {
        output::line(
            "what does not is declared to the hub and counted as evicted when its turn comes; the rest is sent",
        )?;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn repair(door: &mut Door) -> anyhow::Result<ExitCode> {
    if matches!(door, Door::Agent(_)) {
        anyhow::bail!("the agent has the buffer, and repaired it when it started: stop it first");
    }
    let Held { quarantined, .. } = held(door)?;
    output::line("✓ opened: torn snapshots, cut-off commits and half-removed segments are mended")?;
    for set_aside in &quarantined {
        output::line(&format!("  buffer export --quarantined {} tells what is in it", set_aside.name))?;
    }
    verify(door)
}
