/** Small sums over the newest buckets. */

import type { Granularity } from '../../api/shapes';
import { MILLIS, bucketAt } from '../../store/buckets';
import type { Bucket } from '../../store/state';

/** Readings per second over the open minute and the one before it. */
export function recentRate(minutes: readonly Bucket[], now: number): number {
  const open = Math.floor(now / MILLIS.minute) * MILLIS.minute;
  const counted = (bucketAt(minutes, open)?.count ?? 0) + (bucketAt(minutes, open - MILLIS.minute)?.count ?? 0);
  return counted / ((now - open + MILLIS.minute) / 1_000);
}

/** Buckets of a chart as wide as a card. */
export function miniGranularity(span: number): Granularity {
  if (span <= 7 * MILLIS.hour) return 'minute';
  return span <= 15 * MILLIS.day ? 'hour' : 'day';
}
