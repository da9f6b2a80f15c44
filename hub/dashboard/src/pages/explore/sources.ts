/** Orders of sources. */

import type { SeriesEntry } from '../../api/shapes';

const asNumber = ({ lastValue }: SeriesEntry): number => (typeof lastValue === 'number' ? lastValue : -Infinity);

export const byName = (a: SeriesEntry, b: SeriesEntry): number => a.source.localeCompare(b.source, undefined, { numeric: true });
export const byValue = (a: SeriesEntry, b: SeriesEntry): number => asNumber(b) - asNumber(a) || byName(a, b);
export const byAge = (a: SeriesEntry, b: SeriesEntry): number => (a.lastTime ?? '').localeCompare(b.lastTime ?? '') || byName(a, b);
