/** Orders of sources. */

import type { SeriesEntry } from '../../api/shapes';
import { byName } from '../../format/number';

const asNumber = ({ lastValue }: SeriesEntry): number => (typeof lastValue === 'number' ? lastValue : -Infinity);

export const bySource = (a: SeriesEntry, b: SeriesEntry): number => byName(a.source, b.source);
export const byValue = (a: SeriesEntry, b: SeriesEntry): number => asNumber(b) - asNumber(a) || bySource(a, b);
export const byAge = (a: SeriesEntry, b: SeriesEntry): number =>
  (a.lastTime ?? '').localeCompare(b.lastTime ?? '') || bySource(a, b);
