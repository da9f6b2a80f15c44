//! One group: what goes into the store and into the rollups together. Pure, CPU only.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mongodb::bson::RawDocumentBuf;
use penstock_shared::id::{AgentId, CommitNumber, Epoch};
use penstock_shared::metrics::Granularity;
use penstock_shared::reading::{Series, TimestampMicros, Value};

use crate::rollup::Rollup;
use crate::store::events::{self, ReadingId, StoredReading};
use crate::store::progress::{DeferredBatch, Watermark};
use crate::store::series::LastValue;
use crate::unpack::UnpackedBatch;

/// A batch with what its epoch's watermark says of it.
pub(super) struct JudgedBatch {
    pub(super) batch: UnpackedBatch,
    pub(super) apply_after: CommitNumber,
    pub(super) watermark: Option<Watermark>,
}

/// What one series counted in one minute of this group.
pub(super) struct MinuteDelta {
    pub(super) series: Arc<Series>,
    pub(super) minute_millis: i64,
    pub(super) rollup: Rollup,
}

/// Everything that is applied together.
pub(super) struct Group {
    pub(super) batches: Vec<DeferredBatch>,
    pub(super) poisoned: Vec<(String, String)>,
    pub(super) documents: Vec<RawDocumentBuf>,
    pub(super) deltas: Vec<MinuteDelta>,
    pub(super) watermarks: Vec<(AgentId, Epoch, Watermark)>,
    pub(super) last_values: Vec<LastValue>,
    /// Readings that count, whether or not a predecessor had inserted them already.
    pub(super) readings: u64,
    /// Readings of all batches as the ledger counts them.
    pub(super) ledger_readings: u64,
    pub(super) oldest_received: TimestampMicros,
}

/// Readings of one series in the group, in their order.
struct SeriesRows {
    series: Arc<Series>,
    agent: AgentId,
    rows: Vec<StoredReading>,
}

/// Builds a group. `present` names readings that a predecessor has inserted: they count, but are not inserted again.
pub(super) fn build(batches: Vec<JudgedBatch>, present: &HashSet<ReadingId>) -> Group {
    let mut group = Group {
        batches: Vec::with_capacity(batches.len()),
        poisoned: Vec::new(),
        documents: Vec::new(),
        deltas: Vec::new(),
        watermarks: Vec::new(),
        last_values: Vec::new(),
        readings: 0,
        ledger_readings: 0,
        oldest_received: TimestampMicros(i64::MAX),
    };
    let mut table: Vec<SeriesRows> = Vec::new();
    let mut known: HashMap<(Arc<Series>, AgentId), usize> = HashMap::new();
    let mut watermarks: HashMap<(AgentId, Epoch), Watermark> = HashMap::new();
    for JudgedBatch { batch, apply_after, watermark } in batches {
        group.ledger_readings += u64::from(batch.declared_readings);
        group.oldest_received = group.oldest_received.min(batch.received_at);
        if let Some(watermark) = watermark {
            watermarks.insert((batch.agent.clone(), batch.epoch), watermark);
        }
        match batch.poison {
            Some(reason) => group.poisoned.push((batch.id, reason)),
            None => group.batches.push(DeferredBatch { id: batch.id, after: apply_after }),
        }
        // A batch's readings share the Arcs of its dictionary: a pointer finds the row without hashing texts.
        let mut by_pointer: HashMap<*const Series, usize> = HashMap::new();
        for reading in
            batch.commits.into_iter().filter(|commit| commit.number > apply_after).flat_map(|c| c.readings)
        {
            let index = *by_pointer.entry(Arc::as_ptr(&reading.series)).or_insert_with(|| {
                *known.entry((Arc::clone(&reading.series), batch.agent.clone())).or_insert_with(|| {
                    table.push(SeriesRows {
                        series: Arc::clone(&reading.series),
                        agent: batch.agent.clone(),
                        rows: Vec::new(),
                    });
                    table.len() - 1
                })
            });
            table[index].rows.push(reading);
        }
    }
    group.watermarks = watermarks.into_iter().map(|((agent, epoch), mark)| (agent, epoch, mark)).collect();
    for rows in table {
        add_series(&mut group, rows, present);
    }
    group
}

fn add_series(group: &mut Group, rows: SeriesRows, present: &HashSet<ReadingId>) {
    let metadata = events::metadata(&rows.series, &rows.agent);
    let mut minutes: HashMap<i64, Rollup> = HashMap::new();
    let mut newest: Option<&StoredReading> = None;
    group.readings += rows.rows.len() as u64;
    for reading in &rows.rows {
        if present.is_empty() || !present.contains(&reading.id) {
            group.documents.push(events::document(reading, &metadata));
        }
        if let Value::Number(number) = reading.value {
            let minute = Granularity::Minute.bucket_start_millis(reading.time);
            minutes.entry(minute).or_default().add(reading.time, number);
        }
        if newest.is_none_or(|newest| newest.time <= reading.time) {
            newest = Some(reading);
        }
    }
    if let Some(newest) = newest {
        group.last_values.push(LastValue {
            series: Arc::clone(&rows.series),
            agent: rows.agent,
            time: newest.time,
            value: newest.value.clone(),
        });
    }
    let counted = minutes.into_iter().filter(|(_, rollup)| !rollup.is_empty());
    group.deltas.extend(counted.map(|(minute_millis, rollup)| MinuteDelta {
        series: Arc::clone(&rows.series),
        minute_millis,
        rollup,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpack::UnpackedCommit;

    fn batch(first: u64, commits: &[&[f64]]) -> UnpackedBatch {
        let series = Arc::new(Series::new("flow", "gw1/pump").expect("valid"));
        let commits: Vec<_> = (first..)
            .zip(commits)
            .map(|(number, numbers)| UnpackedCommit {
                number: CommitNumber(number),
                readings: (0..)
                    .zip(*numbers)
                    .map(|(index, &number_value)| StoredReading {
                        id: ReadingId::new(Epoch(1), CommitNumber(number), index),
                        series: Arc::clone(&series),
                        time: TimestampMicros(60_000_000),
                        value: Value::Number(number_value),
                        extra: None,
                    })
                    .collect(),
            })
            .collect();
        UnpackedBatch {
            id: format!("b{first}"),
            agent: AgentId::new("gw1").expect("valid"),
            epoch: Epoch(1),
            first: CommitNumber(first),
            last: CommitNumber(first + commits.len() as u64 - 1),
            gaps: Vec::new(),
            received_at: TimestampMicros(1),
            declared_readings: commits.iter().map(|commit| commit.readings.len() as u32).sum(),
            commits,
            ordered: true,
            poison: None,
        }
    }

    #[test]
    fn commits_at_or_below_the_watermark_count_nothing() {
        let judged = JudgedBatch {
            batch: batch(1, &[&[1.0, 2.0], &[4.0]]),
            apply_after: CommitNumber(1),
            watermark: None,
        };
        let group = build(vec![judged], &HashSet::new());
        assert_eq!((group.readings, group.documents.len()), (1, 1));
        assert_eq!(group.deltas[0].rollup.total, 4.0);
    }

    #[test]
    fn what_a_predecessor_inserted_counts_but_is_not_inserted_again() {
        let judged =
            JudgedBatch { batch: batch(1, &[&[1.0, 2.0]]), apply_after: CommitNumber(0), watermark: None };
        let present = HashSet::from([ReadingId::new(Epoch(1), CommitNumber(1), 0)]);
        let group = build(vec![judged], &present);
        assert_eq!((group.readings, group.documents.len()), (2, 1));
        assert_eq!(group.deltas[0].rollup.count, 2);
    }
}
