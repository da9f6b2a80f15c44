import { useMemo, useRef } from 'react';
import type { SeriesEntry } from '../../api/shapes';
import { Sparkline } from '../../chart/Sparkline';
import { toColumns } from '../../chart/columns';
import { anyValue, measured } from '../../format/number';
import { span } from '../../format/span';
import { Link } from '../../shell/Link';
import { windowOf } from '../../shell/range';
import { useInSight } from '../../shell/useInSight';
import { addressOf } from '../../shell/route';
import { MILLIS } from '../../store/buckets';
import { useSeries, useShown } from '../../store/hooks';
import { EMPTY_SERIES } from '../../store/state';

/** A source without a reading for this long is marked. */
const OLD_MS = 5 * 60_000;
const SPARK_POINTS = 60;
/** A device's clock may be ahead this much before it is said. */
const AHEAD_MS = 5_000;

function ageText(age: number): string {
  if (!Number.isFinite(age)) return '–';
  return age < -AHEAD_MS ? `clock ${span(-age)} ahead` : span(age);
}

export function SourceRow({ entry }: { entry: SeriesEntry }) {
  const { type, source } = entry;
  const row = useRef<HTMLTableRowElement>(null);
  const isInSight = useInSight(row);
  const clock = useShown((state) => state.clock);
  const { from, to } = windowOf({ kind: 'last', key: '1h', span: MILLIS.hour }, clock, 'minute');
  const { series } = useSeries(type, source, 'minute', from, to, isInSight);
  const buckets = (series ?? EMPTY_SERIES).buckets;
  const columns = useMemo(() => toColumns(buckets, from, to, MILLIS.minute, SPARK_POINTS), [buckets, from, to]);
  const newest = buckets.at(-1);
  const seen = Math.max(newest?.newest ?? -Infinity, entry.lastTime ? Date.parse(entry.lastTime) : -Infinity);
  const age = clock - seen;
  return (
    <tr ref={row} data-testid={`source-row-${source}`}>
      <th scope="row">
        <Link href={addressOf('explore', { type, source })}>{source}</Link>
      </th>
      <td className="n">{anyValue(entry.lastValue)}</td>
      <td className="n">{newest ? measured(newest.p95) : '–'}</td>
      <td className="hide-narrow">
        <Sparkline columns={columns} />
      </td>
      <td className={`n ${age > OLD_MS || age < -AHEAD_MS ? 'warn-text' : ''}`}>{ageText(age)}</td>
    </tr>
  );
}
