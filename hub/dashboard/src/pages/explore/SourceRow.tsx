import { useMemo } from 'react';
import type { SeriesEntry } from '../../api/shapes';
import { Sparkline } from '../../chart/Sparkline';
import { toColumns } from '../../chart/columns';
import { anyValue, measured } from '../../format/number';
import { span } from '../../format/span';
import { Link } from '../../shell/Link';
import { windowOf } from '../../shell/range';
import { addressOf } from '../../shell/route';
import { MILLIS } from '../../store/buckets';
import { useSeries, useShown } from '../../store/hooks';
import { EMPTY_SERIES } from '../../store/state';

/** A source without a reading for this long is marked. */
const OLD_MS = 5 * 60_000;
const SPARK_POINTS = 60;

export function SourceRow({ entry }: { entry: SeriesEntry }) {
  const { type, source } = entry;
  const clock = useShown((state) => state.clock);
  const { from, to } = windowOf({ kind: 'last', key: '1h', span: MILLIS.hour }, clock, 'minute');
  const { series } = useSeries(type, source, 'minute', from, to);
  const buckets = (series ?? EMPTY_SERIES).buckets;
  const columns = useMemo(() => toColumns(buckets, from, to, MILLIS.minute, SPARK_POINTS), [buckets, from, to]);
  const newest = buckets.at(-1);
  const seen = Math.max(newest?.newest ?? -Infinity, entry.lastTime ? Date.parse(entry.lastTime) : -Infinity);
  const age = clock - seen;
  return (
    <tr data-testid={`source-row-${source}`}>
      <th scope="row">
        <Link href={addressOf('explore', { type, source })}>{source}</Link>
      </th>
      <td className="n">{anyValue(entry.lastValue)}</td>
      <td className="n">{newest ? measured(newest.p95) : '–'}</td>
      <td className="hide-narrow">
        <Sparkline columns={columns} />
      </td>
      <td className={`n ${age > OLD_MS ? 'warn-text' : ''}`}>{Number.isFinite(age) ? span(age) : '–'}</td>
    </tr>
  );
}
