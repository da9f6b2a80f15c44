/** Arithmetic on a series: snapshots, updates and history become one ordered list of buckets. */

import type { Figures, Granularity, LiveBucket, StoredBucket } from '../api/shapes';
import type { Bucket, LateChange, Series } from './state';
import { EMPTY_SERIES } from './state';

export const MILLIS: Record<Granularity, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** How far back a snapshot reaches. */
export const SNAPSHOT_SPAN: Record<Granularity, number> = {
  minute: 3_600_000,
  hour: 2 * 86_400_000,
  day: 60 * 86_400_000,
};

/** Late changes that are remembered for a series. */
const LATE_KEPT = 64;
/** A bucket that late data keeps changing flashes again only after this time. */
const LATE_AGAIN_MS = 10_000;

function toBucket(start: number, figures: Figures): Bucket {
  const { count, total, average, min, max, p50, p95, p99, newest } = figures;
  return { start, count, total, average, min, max, p50, p95, p99, newest };
}

export const fromLive = (bucket: LiveBucket): Bucket => toBucket(Date.parse(bucket.bucket), bucket);
export const fromStored = (bucket: StoredBucket): Bucket => toBucket(Date.parse(bucket.timestamp), bucket);

/** Index of the first bucket that starts at or after `start`. */
export function lowerBound(buckets: readonly Bucket[], start: number): number {
  let low = 0;
  let high = buckets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((buckets[middle] as Bucket).start < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function bucketAt(buckets: readonly Bucket[], start: number): Bucket | undefined {
  const found = buckets[lowerBound(buckets, start)];
  return found?.start === start ? found : undefined;
}

function inOrder(buckets: Bucket[]): Bucket[] {
  return buckets.filter((bucket) => Number.isFinite(bucket.start)).sort((a, b) => a.start - b.start);
}

/** Takes a snapshot: it replaces all in the span it covers; older history stays until it is asked for anew. */
export function withSnapshot(
  series: Series | undefined,
  items: LiveBucket[],
  granularity: Granularity,
  now: number,
  generation: number,
): Series {
  const fresh = inOrder(items.map(fromLive));
  const spanStart =
    Math.floor((now - SNAPSHOT_SPAN[granularity]) / MILLIS[granularity]) * MILLIS[granularity] + MILLIS[granularity];
  const liveFrom = Math.min(spanStart, fresh[0]?.start ?? Infinity);
  const older = (series?.buckets ?? []).filter((bucket) => bucket.start < liveFrom);
  return { buckets: [...older, ...fresh], late: [], liveFrom, reach: series?.reach ?? 0, generation };
}

function withLate(late: readonly LateChange[], start: number, now: number): readonly LateChange[] {
  const last = late.findLast((change) => change.start === start);
  if (last && now - last.at < LATE_AGAIN_MS) return late;
  return [...late.filter((change) => change.start !== start), { start, at: now }].slice(-LATE_KEPT);
}

/** Drops what lies further back than anyone looks, so that a page that stays open for weeks does not grow. */
function dropOld(buckets: Bucket[], span: number): void {
  const newest = buckets.at(-1)?.start ?? 0;
  const kept = lowerBound(buckets, newest - span);
  if (kept > 0) buckets.splice(0, kept);
}

/** Takes an update: the bucket replaces the one with the same start, wherever it stands. */
export function withUpdate(series: Series | undefined, bucket: Bucket, granularity: Granularity, now: number): Series {
  const before = series ?? EMPTY_SERIES;
  if (!Number.isFinite(bucket.start)) return before;
  const buckets = before.buckets.slice();
  const index = lowerBound(buckets, bucket.start);
  buckets.splice(index, buckets[index]?.start === bucket.start ? 1 : 0, bucket);
  // The bucket before the open one still fills for a moment after the edge; that is not late.
  const isLate = bucket.start < now - 3 * MILLIS[granularity];
  const isAppended = buckets.length > before.buckets.length && index === buckets.length - 1;
  if (isAppended) dropOld(buckets, Math.max(before.reach, SNAPSHOT_SPAN[granularity]) + MILLIS[granularity]);
  return { ...before, buckets, late: isLate ? withLate(before.late, bucket.start, now) : before.late };
}

/**
 * Takes history that was asked for when the series looked like `asked`. The history is right before the live span;
 * where an update arrived while it travelled, the larger count is the newer one, as counts only grow.
 */
export function withHistory(series: Series, asked: Series, history: Bucket[], from: number, to: number): Series {
  const incoming = inOrder(history).filter((bucket) => bucket.start < series.liveFrom);
  const end = Math.min(to, series.liveFrom);
  const merged = new Map(incoming.map((bucket) => [bucket.start, bucket]));
  for (const bucket of series.buckets) {
    const isOutside = bucket.start < from || bucket.start >= end;
    const isTouched = bucketAt(asked.buckets, bucket.start) !== bucket;
    const isNewer = isTouched && bucket.count >= (merged.get(bucket.start)?.count ?? 0);
    if (isOutside || isNewer) merged.set(bucket.start, bucket);
  }
  const buckets = [...merged.values()].sort((a, b) => a.start - b.start);
  const newest = Math.max(to, buckets.at(-1)?.start ?? 0);
  return { ...series, buckets, reach: Math.max(series.reach, newest - from) };
}
