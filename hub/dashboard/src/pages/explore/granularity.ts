/** Which buckets a span may be shown in, and which it is. */

import type { Granularity } from '../../api/shapes';
import { suitedGranularity } from '../../shell/range';
import { MILLIS } from '../../store/buckets';

/** More buckets than this are not asked for. */
const BUCKETS_AT_MOST = 11_000;

export const GRANULARITIES: Granularity[] = ['minute', 'hour', 'day'];

export interface Offer {
  chosen: Granularity;
  offered: ReadonlySet<Granularity>;
}

export function offeredGranularities(span: number, wanted: string | null): Offer {
  const offered = new Set(GRANULARITIES.filter((granularity) => span / MILLIS[granularity] <= BUCKETS_AT_MOST));
  const found = GRANULARITIES.find((granularity) => granularity === wanted && offered.has(granularity));
  return { chosen: found ?? suitedGranularity(span), offered };
}
