/** Turns buckets into the arrays that a chart draws: one slot per step, holes as null, at most so many points. */

import type { Bucket } from '../store/state';
import { lowerBound } from '../store/buckets';

export type Column = (number | null)[];

export interface Columns {
  /** Starts of the slots, milliseconds since 1970. */
  time: number[];
  average: Column;
  min: Column;
  max: Column;
  p95: Column;
  count: number[];
  /** Length of a slot; longer than a bucket when several share a slot. */
  step: number;
}

/** Folds the buckets of one slot: sums are exact, the 95th percentile is the worst of its buckets. */
function foldSlot(columns: Columns, index: number, bucket: Bucket): void {
  const before = columns.count[index] as number;
  const total = before + bucket.count;
  columns.average[index] =
    total === 0 ? null : ((columns.average[index] ?? 0) * before + bucket.average * bucket.count) / total;
  columns.min[index] = Math.min(columns.min[index] ?? Infinity, bucket.min);
  columns.max[index] = Math.max(columns.max[index] ?? -Infinity, bucket.max);
  columns.p95[index] = Math.max(columns.p95[index] ?? -Infinity, bucket.p95);
  columns.count[index] = total;
}

export function toColumns(
  buckets: readonly Bucket[],
  from: number,
  to: number,
  bucketMillis: number,
  maxPoints: number,
): Columns {
  const start = Math.floor(from / bucketMillis) * bucketMillis;
  const slots = Math.max(1, Math.ceil((to - start) / bucketMillis));
  const step = bucketMillis * Math.max(1, Math.ceil(slots / Math.max(2, maxPoints)));
  const first = Math.floor(start / step) * step;
  const length = Math.max(1, Math.ceil((to - first) / step));
  const empty = (): Column => new Array<number | null>(length).fill(null);
  const columns: Columns = {
    time: Array.from({ length }, (_, index) => first + index * step),
    average: empty(),
    min: empty(),
    max: empty(),
    p95: empty(),
    count: new Array<number>(length).fill(0),
    step,
  };
  for (let index = lowerBound(buckets, first); index < buckets.length; index += 1) {
    const bucket = buckets[index] as Bucket;
    if (bucket.start >= to) break;
    if (bucket.count > 0) foldSlot(columns, Math.floor((bucket.start - first) / step), bucket);
  }
  return columns;
}

/** Slots with a value between two holes; a line cannot show them. */
export function isolated(column: Column): number[] {
  const found: number[] = [];
  column.forEach((value, index) => {
    const isAlone = (column[index - 1] ?? null) === null && (column[index + 1] ?? null) === null;
    if (value !== null && isAlone) found.push(index);
  });
  return found;
}
